package carriertest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teal"
	"teal/internal/await"
)

// field is one header or trailer field.
type field struct{ name, value string }

type fields []field

// all returns the values of the fields of a name, which is in lower case.
func (f fields) all(name string) []string {
	var values []string
	for _, x := range f {
		if strings.EqualFold(x.name, name) {
			values = append(values, x.value)
		}
	}
	return values
}

// get returns the value of the first field of a name, or "".
func (f fields) get(name string) string {
	if values := f.all(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// request is a request as the instance has got it, byte for byte.
type request struct {
	line    string
	fields  fields
	body    string
	trailer fields
}

// instance is a server that says what it is told to, and nothing of its own.
type instance struct {
	t    *testing.T
	addr string
	seen chan request // what has come, in order
	open atomic.Int64 // connections

	mu   sync.Mutex
	talk talk
}

// talk is one connection as the instance leads it, after the head of a request
// has come; false ends it.
type talk func(c net.Conn, r *bufio.Reader, q request) bool

func newInstance(t *testing.T) *instance {
	t.Helper()
	l := listen(t)
	i := &instance{t: t, addr: l.Addr().String(), seen: make(chan request, 256)}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go i.serve(c)
		}
	}()
	return i
}

func (i *instance) serve(c net.Conn) {
	i.open.Add(1)
	defer i.open.Add(-1)
	defer func() { _ = c.Close() }()
	r := bufio.NewReader(c)
	for {
		line, list, err := readHead(r)
		if err != nil {
			return
		}
		i.mu.Lock()
		talk := i.talk
		i.mu.Unlock()
		if !talk(c, r, request{line: line, fields: list}) {
			return
		}
	}
}

// leads sets how the next requests are answered.
func (i *instance) leads(t talk) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.talk = t
}

// says makes the instance answer each request, when it is whole, with a text. It
// keeps the connection unless the answer ends with it.
func (i *instance) says(answer string) {
	i.leads(func(c net.Conn, r *bufio.Reader, q request) bool {
		if err := q.read(r); err != nil {
			return false
		}
		i.seen <- q
		_, err := io.WriteString(c, answer)
		return err == nil && keepsConnection(answer)
	})
}

// errOpen says how many connections are open that should not be.
func errOpen(n int64) error { return fmt.Errorf("%d connections to the instance are open", n) }

// keepsConnection reports whether another answer may come behind one.
func keepsConnection(answer string) bool {
	head, body, _ := strings.Cut(strings.ToLower(answer), "\r\n\r\n")
	for strings.HasPrefix(head, "http/1.1 10") {
		head, body, _ = strings.Cut(body, "\r\n\r\n")
	}
	switch {
	case !strings.HasPrefix(head, "http/1.1 "), strings.Contains(head, "connection: close"):
		return false
	case strings.Contains(head, " chunked"):
		return strings.HasSuffix(answer, "0\r\n\r\n")
	}
	return strings.Contains(head, "content-length:") || strings.HasPrefix(head, "http/1.1 204") || strings.HasPrefix(head, "http/1.1 304")
}

// next returns the next request that has come.
func (i *instance) next(t *testing.T) request {
	t.Helper()
	select {
	case q := <-i.seen:
		return q
	case <-time.After(await.Patience):
		t.Fatal("the instance got no request")
	}
	return request{}
}

// untouched fails when the instance has got a request.
func (i *instance) untouched(t *testing.T) {
	t.Helper()
	select {
	case q := <-i.seen:
		t.Errorf("the instance got %q %v", q.line, q.fields)
	default:
	}
}

// read reads the body.
func (q *request) read(r *bufio.Reader) (err error) {
	switch coding, length := q.fields.get("transfer-encoding"), q.fields.get("content-length"); {
	case coding == "chunked":
		q.body, q.trailer, err = readChunks(r)
	case length != "":
		q.body, err = readLength(r, length)
	}
	return err
}

var errMalformed = errors.New("malformed")

func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	text, ok := strings.CutSuffix(line, "\r\n")
	if !ok {
		return "", errMalformed
	}
	return text, nil
}

// readHead reads a first line and fields, strictly.
func readHead(r *bufio.Reader) (first string, list fields, err error) {
	if first, err = readLine(r); err != nil {
		return "", nil, err
	}
	list, err = readFields(r)
	return first, list, err
}

func readFields(r *bufio.Reader) (list fields, err error) {
	for {
		line, err := readLine(r)
		if err != nil || line == "" {
			return list, err
		}
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			return nil, errMalformed
		}
		list = append(list, field{strings.ToLower(name), value})
	}
}

func readLength(r *bufio.Reader, length string) (string, error) {
	n, err := strconv.Atoi(length)
	if err != nil {
		return "", err
	}
	data := make([]byte, n)
	n, err = io.ReadFull(r, data)
	return string(data[:n]), err
}

// readChunks reads a chunked body, of which it returns what has come.
func readChunks(r *bufio.Reader) (body string, trailer fields, err error) {
	var all strings.Builder
	for {
		line, err := readLine(r)
		if err != nil {
			return all.String(), nil, err
		}
		size, err := strconv.ParseUint(line, 16, 31)
		if err != nil {
			return all.String(), nil, err
		}
		if size == 0 {
			trailer, err = readFields(r)
			return all.String(), trailer, err
		}
		piece, err := readLength(r, strconv.FormatUint(size, 10))
		all.WriteString(piece)
		if err != nil {
			return all.String(), nil, err
		}
		if end, err := readLine(r); err != nil || end != "" {
			return all.String(), nil, errors.Join(errMalformed, err)
		}
	}
}

// function is a function that says what it is told to.
type function struct {
	mu     sync.Mutex
	last   teal.Invocation
	answer func(teal.Invocation) (teal.Answer, error)
}

// Invoke implements gateway.Function.
func (f *function) Invoke(_ context.Context, in teal.Invocation) (teal.Answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = in
	return f.answer(in)
}

// says makes the function answer with a text.
func (f *function) says(payload string) {
	f.answers(func(teal.Invocation) (teal.Answer, error) { return teal.Answer{Payload: []byte(payload)}, nil })
}

func (f *function) answers(answer func(teal.Invocation) (teal.Answer, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

// got returns the last invocation.
func (f *function) got() teal.Invocation {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}
