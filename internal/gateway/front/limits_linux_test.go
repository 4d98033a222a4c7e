package front

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"testing"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// What bounds a request bounds it in every protocol.
//
// Seen red for HTTP/2 without CheckFields, and for chunked bodies without the check
// of what has come.
func TestLimitsInEveryProtocol(t *testing.T) {
	answer := make(chan struct{})
	s := start(t, service(backend(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/wait" {
			<-answer
		}
	})), exchange.Config{Limits: gateway.Limits{BodyBytes: 100_000, HeaderFields: 50, InFlight: 1}})
	secure := "https://" + s.secure()
	for name, c := range map[string]struct {
		client *http.Client
		base   string
	}{
		"HTTP/1.1": {client(t), "http://" + s.addr}, "TLS": {secureClient(t, tls.VersionTLS13), secure},
		"h2c": {http2Client(t), "http://" + s.addr}, "h2": {http2Client(t), secure},
	} {
		ask := func(path string, body io.Reader, fields int) (int, string) {
			r, err := http.NewRequestWithContext(t.Context(), "POST", c.base+path, body)
			if err != nil {
				t.Fatal(err)
			}
			for i := range fields {
				r.Header.Set(fmt.Sprintf("X-%d", i), "x")
			}
			response, err := c.client.Do(r)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return 0, ""
			}
			defer func() { _ = response.Body.Close() }()
			text, _ := io.ReadAll(response.Body)
			return response.StatusCode, response.Header.Get("Retry-After") + string(text)
		}
		for size, want := range map[int]int{100_000: 200, 100_001: 413} {
			for _, body := range []io.Reader{bytes.NewReader(make([]byte, size)), io.MultiReader(bytes.NewReader(make([]byte, size)))} { // with a length, and without
				s.nothingInFlight()
				if got, text := ask("/", body, 0); got != want {
					t.Errorf("%s: a body of %d bytes: %d %s", name, size, got, text)
				}
			}
		}
		s.nothingInFlight()
		if got, text := ask("/", nil, 60); got != 431 {
			t.Errorf("%s: 60 header fields: %d %s", name, got, text)
		}
		s.nothingInFlight()
		first := make(chan int, 1)
		go func() {
			status, _ := ask("/wait", nil, 0)
			first <- status
		}()
		s.inFlight(1)
		if got, text := ask("/", nil, 0); got != 503 || text[:1] != "1" {
			t.Errorf("%s: a request too many: %d %s", name, got, text)
		}
		answer <- struct{}{}
		if got := receive(t, first, "the first answer"); got != 200 {
			t.Errorf("%s: the first request: %d", name, got)
		}
		s.nothingInFlight()
	}
}

// Connections count in every protocol, for as long as they are open.
//
// Seen red without the count of what goes on in HTTP/2.
func TestConnectionsCountInEveryProtocol(t *testing.T) {
	s := start(t, function(func(context.Context, teal.Invocation) (teal.Answer, error) {
		return teal.Answer{Payload: []byte(`"ok"`)}, nil
	}), exchange.Config{Limits: gateway.Limits{Connections: 4}})
	for name, base := range map[string]string{"h2c": "http://" + s.addr, "h2": "https://" + s.secure()} {
		var clients []*http.Client
		for range 4 {
			c := http2Client(t)
			if response, err := c.Get(base); err != nil || response.StatusCode != 200 {
				t.Fatal(name, err)
			}
			clients = append(clients, c)
		}
		late := http2Client(t)
		if response, err := late.Get(base); err == nil && response.StatusCode == 200 {
			t.Errorf("%s: a fifth connection is served", name)
		}
		for _, c := range clients {
			c.CloseIdleConnections()
		}
		eventually(t, func() error {
			response, err := http2Client(t).Get(base)
			if err == nil && response.StatusCode != 200 {
				err = fmt.Errorf("status %d", response.StatusCode)
			}
			return err
		})
	}
}
