package carriertest

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ask is a request as a client writes it:
//
//	POST /path
//	host: shop.example
//	x-own: 1
//
//	body
//
// Without a host it asks for shop.example. A body is sent with its length, or in
// chunks where the text has transfer-encoding: chunked. What of it HTTP/2 has no
// word for is left out there.
type ask struct {
	method, target, host string
	fields               fields
	body                 string
	chunked              bool
	open                 bool // the body goes on after what is here
	trailer              fields
}

func parseAsk(t *testing.T, text string) ask {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	method, target, ok := strings.Cut(lines[0], " ")
	if !ok {
		t.Fatalf("%q is no request", text)
	}
	a := ask{method: method, target: target, host: "shop.example", body: body}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch strings.ToLower(name) {
		case "host":
			a.host = value
		case "transfer-encoding":
			a.chunked = true
		default:
			a.fields = append(a.fields, field{name, value})
		}
	}
	return a
}

// reply is an answer as a client has seen it.
type reply struct {
	status  int
	fields  fields // without what frames it
	framing string // "length 5", "chunked" for no length, "close", or "" for none
	closes  bool
	body    string
	trailer fields
	whole   bool
	interim []reply
}

// String returns it as the cases have it: status, fields in order of their names,
// framing, trailer, body. A problem is its code and what it says; that no cache may keep it
// is understood.
func (r reply) String() string {
	var lines []string
	body, isProblem := r.problem()
	isHead := r.body == "" && r.fields.get("content-type") == "application/problem+json" && strings.HasPrefix(r.framing, "length ")
	cacheable := isProblem || isHead
	for _, x := range r.fields {
		if cacheable && x == (field{"cache-control", "no-store"}) {
			cacheable = false
			continue
		}
		if at, err := http.ParseTime(x.value); x.name == "date" && err == nil && time.Since(at).Abs() < time.Minute {
			x.value = "now"
		}
		lines = append(lines, x.name+": "+x.value)
	}
	if cacheable {
		lines = append(lines, "may be kept by caches")
	}
	framing := r.framing
	switch {
	case isHead:
		framing = "the length of the problem"
	case isProblem && framing == "length "+strconv.Itoa(len(r.body)):
		framing = "" // the length is that of an id
	case isProblem:
		framing += " instead of the length"
	}
	if framing != "" {
		lines = append(lines, framing)
	}
	if r.closes {
		lines = append(lines, "closes")
	}
	if !r.whole {
		lines = append(lines, "cut off")
	}
	slices.Sort(lines)
	var last []string
	for _, x := range r.trailer {
		last = append(last, "trailer "+x.name+": "+x.value)
	}
	slices.Sort(last)
	lines = append(lines, last...)
	text := strings.Join(append([]string{strconv.Itoa(r.status)}, lines...), "\n")
	if body != "" {
		text += "\n\n" + body
	}
	var before strings.Builder
	for _, i := range r.interim {
		before.WriteString(i.String() + "\n\n")
	}
	return before.String() + text
}

// problem returns the body, or, if it is an error of Teal's own, what that says.
func (r reply) problem() (text string, is bool) {
	if r.fields.get("content-type") != "application/problem+json" {
		return r.body, false
	}
	var p struct {
		Type, Title, Code, Detail string
		Status                    int
		RequestID                 string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(r.body), &p); err != nil || p.Status != r.status || p.Type != "about:blank" || p.Title != http.StatusText(r.status) || p.RequestID == "" {
		return r.body, false
	}
	return p.Code + ": " + p.Detail, true
}

// connection is a client's.
type connection interface {
	// send sends a request, as far as it is there.
	send(a ask)
	// more sends another piece of a body that is open; finish ends it.
	more(piece string)
	finish(trailer fields)
	// reply reads the answer to the last request, whose status is 0 when there is
	// none. With heads it stops when so many heads have come, without their bodies.
	reply(heads int) reply
	// piece reads so much of the body of an answer of which the head has been read
	// by reply; of a chunked one, one chunk.
	piece(size int) string
	// cancel gives the request up.
	cancel()
	// reset ends the connection so that the server notices at once.
	reset()
	// isOver reports whether the server has ended the connection, or, where others
	// share it, reset the request.
	isOver() bool
}

// connect opens a connection.
func (s *site) connect() connection {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	if s.carrier.tls {
		_, pool := selfSigned()
		protocol := map[int]string{1: "http/1.1", 2: "h2"}[s.carrier.major]
		secure := tls.Client(c, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", NextProtos: []string{protocol}})
		if err := secure.Handshake(); err != nil {
			s.t.Fatal(err)
		}
		if got := secure.ConnectionState().NegotiatedProtocol; got != protocol {
			s.t.Fatalf("the server speaks %q", got)
		}
		c = secure
	}
	if s.carrier.major == 2 {
		return newHTTP2(s.t, c)
	}
	return &http1{t: s.t, c: c, r: bufio.NewReader(c)}
}

// do sends a request on a connection of its own and returns the answer.
func (s *site) do(text string) reply {
	s.t.Helper()
	c := s.connect()
	c.send(parseAsk(s.t, text))
	return c.reply(0)
}

// expect compares an answer with a text as reply.String has it, to which what
// every answer has is added: the date, and the version that was asked.
func expect(t *testing.T, got reply, want string) {
	t.Helper()
	if text := got.String(); text != usual(want) {
		t.Errorf("the client got\n%s\nwant\n%s", indent(text), indent(usual(want)))
	}
}

// usual adds to an expected answer what all have, unless it has that itself, or
// says with "no date" or "no teal-version" that it must not be there.
func usual(want string) string {
	want = strings.Trim(want, "\n")
	head, rest, found := strings.Cut(want, "\n\n")
	if strings.HasPrefix(want, "10") && !strings.HasPrefix(want, "101") { // an interim answer first
		return head + "\n\n" + usual(rest)
	}
	lines := strings.Split(head, "\n")
	trailer := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "trailer ") })
	if trailer < 0 {
		trailer = len(lines)
	}
	kept := slices.Clone(lines[1:trailer])
	for _, line := range []string{"date: now", "teal-version: 7"} {
		name, _, _ := strings.Cut(line, ": ")
		no := slices.Index(kept, "no "+name)
		switch {
		case no >= 0:
			kept = slices.Delete(kept, no, no+1)
		case !slices.ContainsFunc(kept, func(l string) bool { return strings.HasPrefix(l, name+":") }):
			kept = append(kept, line)
		}
	}
	slices.Sort(kept)
	head = strings.Join(slices.Concat(lines[:1], kept, lines[trailer:]), "\n")
	if found {
		return head + "\n\n" + rest
	}
	return head
}

func indent(text string) string { return "\t" + strings.ReplaceAll(text, "\n", "\n\t") }

// http1 is a connection in HTTP/1.1.
type http1 struct {
	t      *testing.T
	c      net.Conn
	r      *bufio.Reader
	asked  ask
	length bool // the body has one
}

func (h *http1) write(text string) {
	h.t.Helper()
	if _, err := io.WriteString(h.c, text); err != nil {
		h.t.Logf("write: %v", err) // the server may have had enough
	}
}

func (h *http1) send(a ask) {
	h.t.Helper()
	h.asked = a
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", a.method, a.target, a.host)
	for _, x := range a.fields {
		fmt.Fprintf(&b, "%s: %s\r\n", x.name, x.value)
	}
	h.length = !a.chunked
	switch {
	case a.chunked:
		b.WriteString("Transfer-Encoding: chunked\r\n")
	case a.body != "" && a.fields.get("content-length") == "":
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(a.body))
	}
	b.WriteString("\r\n" + h.framed(a.body))
	if !a.open {
		b.WriteString(h.end(a.trailer))
	}
	h.write(b.String())
}

func (h *http1) framed(piece string) string {
	if h.length || piece == "" {
		return piece
	}
	return fmt.Sprintf("%x\r\n%s\r\n", len(piece), piece)
}

func (h *http1) end(trailer fields) string {
	if h.length {
		return ""
	}
	text := "0\r\n"
	for _, x := range trailer {
		text += x.name + ": " + x.value + "\r\n"
	}
	return text + "\r\n"
}

func (h *http1) more(piece string) {
	h.t.Helper()
	h.write(h.framed(piece))
}

func (h *http1) finish(trailer fields) {
	h.t.Helper()
	h.write(h.end(trailer))
}

func (h *http1) reply(heads int) reply {
	h.t.Helper()
	var interim []reply
	for {
		r := h.head()
		switch {
		case r.status == 0:
			return r
		case r.status < 200 && r.status != 101:
			interim = append(interim, r)
			if len(interim) == heads {
				return reply{interim: interim}
			}
			continue
		case heads == 0:
			h.readBody(&r)
		}
		r.interim = interim
		return r
	}
}

// head reads one head.
func (h *http1) head() reply {
	h.t.Helper()
	line, list, err := readHead(h.r)
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		h.t.Fatal("there is no answer")
	} else if err != nil {
		return reply{}
	}
	status := 0
	if len(line) > 12 && (strings.HasPrefix(line, "HTTP/1.1 ") || strings.HasPrefix(line, "HTTP/1.0 ")) && line[12] == ' ' {
		status, _ = strconv.Atoi(line[9:12])
	}
	if status == 0 {
		h.t.Fatalf("the status line is %q", line)
	}
	r := reply{status: status, whole: true}
	for _, x := range list {
		switch {
		case x.name == "content-length":
			r.framing += "length " + x.value
		case x.name == "transfer-encoding":
			r.framing += x.value
		case x.name == "connection" && x.value == "close":
			r.closes = true
		case x.name == "connection":
			r.fields = append(r.fields, field{x.name, strings.ToLower(x.value)})
		default:
			r.fields = append(r.fields, x)
		}
	}
	return r
}

func (h *http1) readBody(r *reply) {
	var err error
	switch length, sized := strings.CutPrefix(r.framing, "length "); {
	case h.asked.method == "HEAD" || r.status == 204 || r.status == 304 || r.status == 101:
	case sized:
		r.body, err = readLength(h.r, length)
	case r.framing == "chunked":
		r.body, r.trailer, err = readChunks(h.r)
	default:
		r.framing = "close"
		var data []byte
		data, err = io.ReadAll(h.r)
		r.body = string(data)
	}
	r.whole = err == nil
}

func (h *http1) piece(size int) string {
	h.t.Helper()
	line, err := readLine(h.r)
	if err != nil || line != strconv.FormatInt(int64(size), 16) {
		h.t.Fatalf("a chunk of %q, %v", line, err)
	}
	data, err := readLength(h.r, strconv.Itoa(size+2))
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.TrimSuffix(data, "\r\n")
}

func (h *http1) cancel() { _ = h.c.Close() }

func (h *http1) reset() { reset(h.c) }

func reset(c net.Conn) {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

func (h *http1) isOver() bool {
	if err := h.c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return true
	}
	rest, err := io.ReadAll(h.r)
	if len(rest) > 0 {
		h.t.Errorf("behind the answer came %q", rest)
	}
	timeout := net.Error(nil)
	return !errors.As(err, &timeout) || !timeout.Timeout()
}
