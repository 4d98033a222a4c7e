package exchange

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"teal/internal/gateway/payload"
)

// headerTrace is where a function's event names the trace that it is part of.
const headerTrace = "X-Amzn-Trace-Id"

// event describes the request to a function. port is the listener's, "" for none. What
// it returns outlives the carrier's buffer.
func (x *Exchange) event(port string, body []byte, now time.Time) payload.Request {
	x.requestID = uuid.NewString()
	line := x.in.Line()
	h := eventHeaders{}
	x.Forward(h)
	h.set("Host", strings.Clone(line.Host))
	h.set("Content-Length", strconv.Itoa(len(body)))
	h.set(headerTrace, traceID(h.get(headerTrace), now))
	if port != "" && h.get(headerForwardedPort) == "" {
		h.set(headerForwardedPort, port)
	}
	return payload.Request{
		Method:    strings.Clone(line.Method),
		Path:      strings.Clone(x.ForwardedPath()),
		RawQuery:  strings.Clone(line.RawQuery),
		Protocol:  line.Protocol,
		Host:      h.get("Host"),
		SourceIP:  strings.Clone(x.ClientAddress()),
		Headers:   h,
		Body:      body,
		RequestID: x.requestID,
		Time:      now,
	}
}

// eventHeaders receives the header fields of an event, copied. Names have one form, so
// that no two differ in case alone.
type eventHeaders map[string][]string

// Add implements Fields.
func (h eventHeaders) Add(name, value string) {
	name = textproto.CanonicalMIMEHeaderKey(strings.Clone(name))
	h[name] = append(h[name], strings.Clone(value))
}

// AddList implements Fields.
func (h eventHeaders) AddList(name string, values []string) {
	h[name] = append(h[name], strings.Join(values, ", "))
}

func (h eventHeaders) set(name, value string) { h[name] = []string{value} }

func (h eventHeaders) get(name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// traceID returns the trace that the client is in, or a new one, as X-Ray writes
// it: the time in seconds and 96 random bits.
func traceID(sent string, now time.Time) string {
	const longest = 512 // it becomes an environment variable of the function
	if strings.Contains(sent, "Root=") && len(sent) <= longest {
		return sent
	}
	var b [16]byte
	binary.BigEndian.PutUint32(b[:4], uint32(now.Unix()))
	_, _ = rand.Read(b[4:]) // never fails: it ends the program instead
	const form = "Root=1-00000000-000000000000000000000000"
	text := []byte(form)
	hex.Encode(text[7:15], b[:4])
	hex.Encode(text[16:], b[4:])
	return string(text)
}
