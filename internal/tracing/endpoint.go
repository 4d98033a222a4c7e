package tracing

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"teal"
)

// endpoint is where spans are sent, and how.
type endpoint struct {
	url     string // "" for nowhere
	headers map[string]string
	timeout time.Duration
}

// endpointOf reads the variables of OpenTelemetry's OTLP exporter; those for
// traces alone come before the general ones.
func endpointOf(getenv func(string) string) (endpoint, error) {
	first := func(name string) (string, string) {
		for _, variable := range []string{"OTEL_EXPORTER_OTLP_TRACES_" + name, "OTEL_EXPORTER_OTLP_" + name} {
			if value := strings.TrimSpace(getenv(variable)); value != "" {
				return value, variable
			}
		}
		return "", ""
	}
	raw, variable := first("ENDPOINT")
	if raw == "" || strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") || getenv("OTEL_TRACES_EXPORTER") == "none" {
		return endpoint{}, nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return endpoint{}, teal.Errorf(teal.CodeInvalidInput, "%s is %q; write an address such as http://127.0.0.1:4318", variable, raw)
	}
	if variable == "OTEL_EXPORTER_OTLP_ENDPOINT" {
		u = u.JoinPath("v1", "traces")
	}
	e := endpoint{url: u.String(), headers: map[string]string{}, timeout: 10 * time.Second}
	if protocol, variable := first("PROTOCOL"); protocol == "grpc" {
		return e, teal.Errorf(teal.CodeInvalidInput, "%s is grpc; Teal sends spans over HTTP. Remove it, or set it to http/json, and use the collector's port for HTTP, often 4318", variable)
	}
	if timeout, variable := first("TIMEOUT"); timeout != "" {
		ms, err := strconv.Atoi(timeout)
		if err != nil || ms <= 0 {
			return e, teal.Errorf(teal.CodeInvalidInput, "%s is %q; write a number of milliseconds", variable, timeout)
		}
		e.timeout = time.Duration(ms) * time.Millisecond
	}
	list, variable := first("HEADERS")
	for pair := range strings.SplitSeq(list, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		plain, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || err != nil {
			return e, teal.Errorf(teal.CodeInvalidInput, "%s does not look like name=value,name=value", variable) // it may hold a secret
		}
		e.headers[strings.TrimSpace(name)] = plain
	}
	return e, nil
}
