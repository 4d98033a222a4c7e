package carriertest

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"teal/internal/gateway/exchange"
)

// A request that is refused while its body comes gets its answer, whole and ended, before
// anything resets its stream, and the first reset is NO_ERROR: stop sending (RFC 9113,
// 8.1). net/http answers what of the body comes after that with further resets.
//
// Seen red with a handler that panics with http.ErrAbortHandler behind the answer.
func TestARefusedBodyOverHTTP2(t *testing.T) {
	over(t, []carrier{{name: "h2c", major: 2}}, exchange.Config{Limits: short}, func(t *testing.T, s *site) {
		f := s.sendTooMuch(t)
		status, ended := "", false
		for {
			frame, err := f.ReadFrame()
			if err != nil {
				t.Fatalf("status %s, ended %v: %v", status, ended, err)
			}
			switch frame := frame.(type) {
			case *http2.MetaHeadersFrame:
				status, ended = frame.PseudoValue("status"), frame.StreamEnded()
			case *http2.DataFrame:
				ended = frame.StreamEnded()
			case *http2.RSTStreamFrame:
				if status != "413" || !ended || frame.ErrCode != http2.ErrCodeNo {
					t.Errorf("%s behind status %q, ended: %v", frame.ErrCode, status, ended)
				}
				return
			}
		}
	})
}

// sendTooMuch sends a request whose body is too long, and some of that.
func (s *site) sendTooMuch(t *testing.T) *http2.Framer {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	f := http2.NewFramer(c, c)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, x := range []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "shop.example"},
		{Name: ":path", Value: "/"}, {Name: "content-length", Value: "20000000"},
	} {
		err = firstOf(err, e.WriteField(x))
	}
	_, wrote := io.WriteString(c, http2.ClientPreface)
	err = firstOf(err, c.SetDeadline(time.Now().Add(20*time.Second)), wrote, f.WriteSettings(),
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true}))
	for range 3 {
		err = firstOf(err, f.WriteData(1, false, make([]byte, 16000)))
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func firstOf(list ...error) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}
