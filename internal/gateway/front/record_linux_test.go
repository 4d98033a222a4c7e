package front

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// The loops also record what net/http answers without a word: requests that
// cannot be read. Of a tunnel, the record comes at its end.
//
// Seen red without the look in refuseHead, and without the record in release.
func TestTheLoopsRecordWhatIsNoRequest(t *testing.T) {
	echo := rawBackend(t, func(c net.Conn, r *bufio.Reader) {
		_, _ = http.ReadRequest(r)
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(c, r)
	})
	for name, tt := range map[string]struct {
		sent, rest string
		want       gateway.Record
	}{
		"malformed": {"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "", gateway.Record{Status: 400, Code: teal.CodeInvalidInput}},
		"stalled":   {"GET / HTTP", "", gateway.Record{Status: 408, Code: teal.CodeTimeout}},
		"tunnel":    {"GET /ws HTTP/1.1\r\nHost: x\r\nUser-Agent: u\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", "there and back", gateway.Record{Status: 101, Target: "/ws", UserAgent: "u", Instance: echo}},
	} {
		var log book
		s := start(t, service(echo), exchange.Config{Log: &log, Limits: gateway.Limits{Head: 200 * time.Millisecond}})
		c, r := s.dialRaw(tt.sent)
		if tt.rest != "" {
			if response, err := http.ReadResponse(r, nil); err != nil || response.StatusCode != 101 {
				t.Fatal(response, err)
			}
			send(t, c, tt.rest)
			_ = c.(*net.TCPConn).CloseWrite()
		}
		if got, err := io.ReadAll(r); err != nil || !strings.HasSuffix(string(got), tt.rest) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		_ = c.Close()
		got := log.only(t)
		if got.Status != tt.want.Status || got.Code != tt.want.Code || got.Target != tt.want.Target || got.UserAgent != tt.want.UserAgent || got.Instance != tt.want.Instance || got.Aborted || got.Client != "127.0.0.1" || got.Duration <= 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
