package accesslog

import (
	"strconv"
	"time"
	"unicode/utf8"

	"teal/internal/gateway"
)

// clientGone is the status that is logged when the client went away before it
// was answered; nginx has taught everybody what it means.
const clientGone = 499

func statusOf(r *gateway.Record) int {
	if r.Status == 0 {
		return clientGone
	}
	return r.Status
}

// appendJSON adds r as one JSON object. Fields that say nothing are left out,
// but for those that a reader counts on.
func appendJSON(b []byte, r *gateway.Record) []byte {
	o := object{append(b, '{')}
	o.key("time")
	o.b = append(r.Start.UTC().AppendFormat(append(o.b, '"'), "2006-01-02T15:04:05.000000Z"), '"')
	o.text("client", r.Client)
	o.text("method", r.Method)
	o.text("host", r.Host)
	o.text("target", r.Target)
	o.text("protocol", r.Protocol)
	o.text("scheme", r.Scheme)
	o.number("status", int64(statusOf(r)))
	o.number("bytes_in", r.In)
	o.number("bytes_out", r.Out)
	o.seconds("duration", r.Duration)
	if r.Answered > 0 {
		o.seconds("answered", r.Answered)
	}
	for _, field := range [][2]string{
		{"app", r.App}, {"component", r.Component}, {"alias", r.Alias}, {"route", r.Route}, {"instance", r.Instance},
		{"code", string(r.Code)}, {"request_id", r.RequestID}, {"trace_id", traceID(r.TraceParent)}, {"referer", r.Referer}, {"user_agent", r.UserAgent},
	} {
		if field[1] != "" {
			o.text(field[0], field[1])
		}
	}
	if r.Version != 0 {
		o.number("version", int64(r.Version))
	}
	if r.Aborted {
		o.key("aborted")
		o.b = append(o.b, "true"...)
	}
	return append(o.b, '}')
}

// traceID returns the trace of a traceparent, "" for one that is not valid.
func traceID(parent string) string {
	const length = 2 + 1 + 32 + 1 + 16 + 1 + 2
	if len(parent) < length || parent[2] != '-' || parent[35] != '-' {
		return ""
	}
	id := parent[3:35]
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ""
		}
	}
	return id
}

// object is a JSON object that is being written.
type object struct{ b []byte }

func (o *object) key(name string) {
	if o.b[len(o.b)-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(append(append(o.b, '"'), name...), '"', ':')
}

func (o *object) number(name string, n int64) {
	o.key(name)
	o.b = strconv.AppendInt(o.b, n, 10)
}

func (o *object) seconds(name string, d time.Duration) {
	o.key(name)
	o.b = strconv.AppendFloat(o.b, d.Seconds(), 'f', 6, 64)
}

const hexadecimal = "0123456789abcdef"

// text adds a string. What is not UTF-8 becomes the replacement character.
func (o *object) text(name, s string) {
	o.key(name)
	b := append(o.b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hexadecimal[c>>4], hexadecimal[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += size
			continue
		}
		i++
	}
	o.b = append(b, '"')
}

// appendCombined adds r in the Combined Log Format.
func appendCombined(b []byte, r *gateway.Record) []byte {
	b = append(quoted(b, r.Client), " - - ["...)
	b = r.Start.AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, `] "`...)
	b = append(quoted(b, r.Method), ' ')
	b = append(quoted(b, r.Target), ' ')
	b = append(quoted(b, r.Protocol), `" `...)
	b = append(strconv.AppendInt(b, int64(statusOf(r)), 10), ' ')
	b = append(strconv.AppendInt(b, r.Out, 10), ` "`...)
	b = append(quoted(b, r.Referer), `" "`...)
	return append(quoted(b, r.UserAgent), '"')
}

// quoted adds s, or a dash for nothing, so that it cannot end the quotation or
// the line.
func quoted(b []byte, s string) []byte {
	if s == "" {
		return append(b, '-')
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c >= 0x7f || c == '"' || c == '\\':
			b = append(b, '\\', 'x', hexadecimal[c>>4], hexadecimal[c&15])
		default:
			b = append(b, c)
		}
	}
	return b
}
