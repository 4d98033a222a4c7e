package http1

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"
)

// message is a request or a response as both readers must see it.
type message struct {
	line    string
	host    string
	fields  string
	trailer string
	body    string
	close   bool
}

// smuggling are published cases in which two servers saw different requests in
// the same bytes, and what is close to them.
var smuggling = []string{
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",                 // CL.TE
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nSMUGGLED\r\n0\r\n\r\n", // TE.CL
	"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n",             // TE.TE
	"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: x\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding\n: chunked\r\n\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: x\r\nFoo: bar\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 44\r\n\r\nGET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n",     // CL.0
	"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;\nxx\r\nhello\r\n0\r\n\r\n",              // TERM.EXT
	"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"\r\nhello\r\n0\r\n\r\n",              // quoted extension
	"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabXX\r\n0\r\n\r\n",                    // SPILL
	"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0;\r\n\r\nGET / HTTP/1.1\r\n\r\n",          // EXT
	"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0_2e\r\n\r\n",                              // digits
	"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0_2\r\n\r\nab",                                               //
	"POST / HTTP/1.1\r\nHost: x\r\nConnection: Content-Length\r\nContent-Length: 4\r\n\r\nabcd",                 // hop-by-hop length
	"GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n",                                                                 //
	"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",                                                              //
	"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: \x0b4\r\n\r\nabcd",                                            //
	"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent_Length: 5\r\n\r\nabcd",                           //
	"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n1\r\nx\r\n0\r\nA: b\r\n\r\n", //
	"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 9\r\nHost: y\r\n\r\n", //
	"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET //evil/%2e%2e/ HTTP/1.1\r\nHost: x:80\r\n\r\n",
	"GET /?a;b=%zz HTTP/1.0\r\n\r\n",
	typicalRequest,
}

// FuzzRequest: what this codec takes for a request, net/http takes for the same
// one, and so it does for what is passed on.
func FuzzRequest(f *testing.F) {
	for _, seed := range smuggling {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r Request
		n, err := r.Parse(data, roomy)
		if n == 0 || err != nil {
			return
		}
		if string(r.Path) == "*" {
			return // net/http has a handler of its own for it
		}
		content, b, whole := drain(r.Length(), data[n:])
		if !whole {
			return
		}
		ours := message{
			line: string(r.Method) + " " + string(r.Path) + string(r.Query), host: string(r.Host), fields: joinFields(&r.Fields, true),
			trailer: joinFields(b.Trailer(), false), body: content, close: r.Close(),
		}
		sent := bytes.TrimPrefix(data, []byte("\r\n"))
		theirs, err := readRequest(sent)
		if err != nil {
			t.Fatalf("net/http: %v\n%q", err, data)
		}
		if ours.close != theirs.close && r.Minor == 1 {
			t.Errorf("close: %v, net/http %v\n%q", ours.close, theirs.close, data)
		}
		theirs.close = ours.close
		if ours != theirs {
			t.Fatalf("%q\nwe:       %+v\nnet/http: %+v", data, ours, theirs)
		}
		passed := forward(&r, content, b)
		again, err := readRequest(passed)
		if err != nil {
			t.Fatalf("passed on as %q: %v", passed, err)
		}
		want := ours
		want.fields, want.close = joinFields(&r.Fields, false), false
		if again.close = false; again != want {
			t.Fatalf("passed on as %q\nwant %+v\ngot  %+v", passed, want, again)
		}
	})
}

// forward writes a request as a proxy passes it on.
func forward(r *Request, content string, b *Body) []byte {
	out := r.AppendRequestLine(nil, "", string(r.Path))
	out = AppendField(out, []byte("Host"), r.Host)
	for i := range r.Len() {
		if r.Kind(i) == EndToEnd {
			out = AppendField(out, r.Name(i), r.Value(i))
		}
	}
	out = append(AppendLength(out, r.Length()), "\r\n"...)
	if r.Length() != Chunked {
		return append(out, content...)
	}
	half := len(content) / 2
	out = AppendChunk(AppendChunk(out, []byte(content[:half])), []byte(content[half:]))
	return AppendTrailer(out, b.Trailer(), func([]byte) bool { return true })
}

func drain(length int64, data []byte) (content string, b *Body, whole bool) {
	return drainInto(&Body{}, length, data)
}

func drainInto(b *Body, length int64, data []byte) (content string, _ *Body, whole bool) {
	b.Reset(length)
	for !b.Done() {
		piece, n, err := b.Next(data)
		if err != nil || n == 0 {
			return content, b, b.UntilClose() && err == nil
		}
		content += string(piece)
		data = data[n:]
	}
	return content, b, true
}

func readRequest(data []byte) (message, error) {
	in, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(data)))
	if err != nil {
		return message{}, err
	}
	body, err := io.ReadAll(in.Body)
	if err != nil {
		return message{}, err
	}
	line := in.Method + " " + in.RequestURI
	if !strings.HasPrefix(in.RequestURI, "/") {
		path := in.URL.EscapedPath()
		if raw := in.RequestURI[strings.Index(in.RequestURI, "//")+2:]; strings.ContainsAny(raw, "/?") {
			path = raw[strings.IndexAny(raw, "/?"):]
		}
		if !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
		line = in.Method + " " + path
	}
	return message{line: line, host: in.Host, fields: joinHeader(in.Header), trailer: joinHeader(in.Trailer), body: string(body), close: in.Close}, nil
}

// joinFields writes fields as joinHeader does. all includes those about the
// connection.
func joinFields(f *Fields, all bool) string {
	h := http.Header{}
	for i := range f.Len() {
		if kind := f.Kind(i); kind == EndToEnd || all && kind != Host {
			h.Add(string(f.Name(i)), string(f.Value(i)))
		}
	}
	return joinHeader(h)
}

// joinHeader leaves out what net/http takes out of a header, or adds to one.
func joinHeader(h http.Header) string {
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h)) {
		switch name {
		case "Content-Length", "Transfer-Encoding", "Trailer", "Host", "Connection", "Cache-Control", "Pragma":
			continue
		}
		for _, value := range h[name] {
			out.WriteString(textproto.CanonicalMIMEHeaderKey(name) + ": " + value + "\n")
		}
	}
	return out.String()
}

// FuzzResponse: what this codec takes for a response, however repaired, net/http
// takes for the same one when it is passed on.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		typicalResponse + strings.Repeat("x", 128),
		"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
		"HTTP/1.0 200 OK\r\n\r\nuntil the end",
		"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 304\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1  200 OK\nContent-Length : 2\nContent-Length: 2\nA: b\n c\n\nok",
		"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n002 \nok\n0\nX-Sum : 1\n\n",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, toHead bool) {
		var r Response
		n, err := r.Parse(data, roomy)
		if n == 0 || err != nil || r.Status < 200 {
			return // net/http reads on after an interim response elsewhere
		}
		content, b, whole := drainInto(&Body{Repairs: true}, r.Length(toHead), data[n:])
		if !whole {
			return
		}
		passed := r.AppendHead(nil, toHead)
		switch r.Length(toHead) {
		case Chunked:
			passed = AppendTrailer(AppendChunk(passed, []byte(content)), b.Trailer(), func([]byte) bool { return true })
		default:
			passed = append(passed, content...)
		}
		data = passed
		method := map[bool]string{false: "GET", true: "HEAD"}[toHead]
		in, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(data)), &http.Request{Method: method})
		if err != nil {
			t.Fatalf("net/http: %v\n%q", err, data)
		}
		body, err := io.ReadAll(in.Body)
		if err != nil {
			t.Fatalf("net/http: %v\n%q", err, data)
		}
		if in.StatusCode != r.Status || string(body) != content || joinHeader(in.Header) != joinFields(&r.Fields, true) || joinHeader(in.Trailer) != joinFields(b.Trailer(), false) {
			t.Fatalf("%q\nwe: %d %q %q\nnet/http: %d %q %q", data, r.Status, content, joinFields(&r.Fields, true), in.StatusCode, body, joinHeader(in.Header))
		}
	})
}
