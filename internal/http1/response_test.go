package http1

import (
	"strings"
	"testing"
)

const typicalResponse = "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 128\r\nCache-Control: private, max-age=0\r\nETag: \"33a64df551425fcc55e4d42a148795d9f25f89d4\"\r\nConnection: keep-alive\r\n\r\n"

func TestResponses(t *testing.T) {
	for _, tt := range []struct {
		head           string
		status         int
		reason         string
		length         int64
		close, upgrade bool
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, "OK", 5, false, false},
		{"HTTP/1.1 200\r\n\r\n", 200, "", UntilClose, false, false},
		{"HTTP/1.1 404 \r\nTransfer-Encoding: Chunked\r\nConnection: Close\r\n\r\n", 404, "", Chunked, true, false},
		{"HTTP/1.0 200 Fine \x80 too\r\n\r\n", 200, "Fine \x80 too", UntilClose, true, false},
		{"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", 200, "OK", 0, false, false},
		{"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, "No Content", 0, false, false},
		{"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, "Not Modified", 0, false, false},
		{"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n", 103, "Early Hints", 0, false, false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 200, "OK", 5, false, false},
		{"HTTP/1.1 200 OK\nContent-Length: 5\n\n", 200, "OK", 5, false, false},
		{"HTTP/1.1 200 OK\r\nContent-Length \t: 5\r\n\r\n", 200, "OK", 5, false, false},
		{"HTTP/1.1 200 OK\r\nContent-Length:\r\n 5\r\nConnection: x,\r\n\tclose\r\n\r\n", 200, "OK", 5, true, false},
		{"HTTP/1.1  200 OK\r\nContent-Length: 5\r\n\r\n", 200, "OK", 5, false, false},
		{"HTTP/1.7 200 OK\r\nContent-Length: 5\r\n\r\n", 200, "OK", 5, false, false},
		{"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 101, "Switching Protocols", 0, false, true},
	} {
		var r Response
		n, err := r.Parse([]byte(tt.head+"rest"), roomy)
		if err != nil || n != len(tt.head) || r.Status != tt.status || string(r.Reason) != tt.reason || r.Length(false) != tt.length ||
			r.Close() != tt.close || r.Upgrades() != tt.upgrade || r.Length(true) != 0 {
			t.Errorf("%q: %d, %v, %+v", tt.head, n, err, r)
		}
	}
}

// A folded line is one line, however it arrives.
//
// Seen red with a line that is taken for whole before what follows it is there.
func TestFoldedLines(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nA: b\r\n c\n\td\r\nE: f\r\n\r\n"
	for step := range len(head) {
		var r Response
		data := []byte(head)
		n := 0
		for arrived := 0; n == 0 && arrived < len(data); {
			arrived = min(arrived+step+1, len(data))
			var err error
			if n, err = r.Parse(data[:arrived], roomy); err != nil {
				t.Fatalf("by %d: %v", step+1, err)
			}
		}
		a, _ := r.Get("a")
		e, _ := r.Get("e")
		if n != len(head) || string(a) != "b   c \td" || string(e) != "f" || r.Len() != 2 {
			t.Errorf("by %d: %d bytes, %q, %q", step+1, n, a, e)
		}
	}
}

func TestResponsesThatAreRefused(t *testing.T) {
	for _, head := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\n",
		"HTTP/1.1 200 OK\nContent-Length: 4\nTransfer-Encoding : chunked\n\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\n A: b\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA b: c\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA \r\n : b\r\n\r\nx",
		"HTTP/1.1 200 OK\r\n : b\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n",
		"HTTP/1.1 200\tOK\r\n\r\n",
		"HTTP/1.1 200 O\x00K\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"HTTP/2.0 200 OK\r\n\r\n",
		"ICY 200 OK\r\n\r\n",
		"SSH-2.0-OpenSSH\r\n",
		"HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 70<<10),
	} {
		var r Response
		if n, err := r.Parse([]byte(head), roomy); err == nil {
			t.Errorf("%.40q is accepted: %d, %+v", head, n, r)
		}
	}
}

func BenchmarkResponse(b *testing.B) {
	data := []byte(typicalResponse)
	var r Response
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		r.Reset()
		if n, err := r.Parse(data, roomy); n == 0 || err != nil {
			b.Fatal(err)
		}
	}
}
