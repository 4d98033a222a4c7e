package front

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"

	"teal/internal/gateway/exchange"
)

// A response has one Date, the instance's own if it gave one (RFC 9110, section
// 6.6.1), and one Teal-Version, whatever the instance says.
//
// Seen red with loops that add no Date to an instance's response, with loops that
// always add one, and with a rule that lets the instance's Teal-Version pass.
func TestAResponseHasOneDateAndOneVersion(t *testing.T) {
	const own = "Sun, 06 Nov 1994 08:49:37 GMT"
	for name, head := range map[string]string{"dated": "date: " + own + "\r\n", "without a date": ""} {
		t.Run(name, func(t *testing.T) {
			s := start(t, service(rawBackend(t, func(c net.Conn, r *bufio.Reader) {
				if _, err := http.ReadRequest(r); err == nil {
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nteal-version: 99\r\n"+head+"Content-Length: 2\r\nContent-Type: text/plain\r\n\r\nok")
				}
			})), exchange.Config{})
			s.bothFronts(t, func(t *testing.T, s *site) {
				response, body := s.do("GET", "/", nil)
				dates := response.Header.Values("Date")
				if body != "ok" || len(dates) != 1 || (dates[0] == own) != (head != "") {
					t.Errorf("%q, dates %q", body, dates)
				}
				if versions := response.Header.Values("Teal-Version"); !slices.Equal(versions, []string{"7"}) {
					t.Errorf("versions %q", versions)
				}
			})
		})
	}
}
