package front

import (
	"io"
	"net/http"
	"testing"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// upload is a client that sends a body for as long as it may, and looks at what comes
// when it may not.
type upload struct {
	framer  *http2.Framer
	left    int // of the body
	stream  int // bytes that it may send on the stream
	session int // and on the connection

	status      string
	body        int
	over, reset bool
	quiet       bool // nothing comes after what has come
}

// step sends a piece, or reads a frame.
func (u *upload) step() error {
	if piece := min(u.left, u.stream, u.session, 16<<10); piece > 0 {
		u.left, u.stream, u.session = u.left-piece, u.stream-piece, u.session-piece
		return u.framer.WriteData(1, u.left == 0, make([]byte, piece))
	}
	frame, err := u.framer.ReadFrame()
	if err != nil {
		return err
	}
	switch f := frame.(type) {
	case *http2.MetaHeadersFrame:
		u.status, u.over = f.PseudoValue("status"), f.StreamEnded()
	case *http2.DataFrame:
		u.body, u.over = u.body+len(f.Data()), f.StreamEnded()
	case *http2.RSTStreamFrame:
		u.reset = true
	case *http2.PingFrame:
		u.quiet = f.IsAck()
	case *http2.WindowUpdateFrame:
		if f.StreamID == 0 {
			u.session += int(f.Increment)
		} else {
			u.stream += int(f.Increment)
		}
	}
	return nil
}

// A client that sends a body which is refused sees the answer, however much it goes on
// to send: its stream is not reset meanwhile.
//
// Seen red with a handler of net/http that returns at once, and with a stream of the loops
// that ends with its answer: curl and Python's h2 tell their users of the reset then, and
// not of the answer.
func TestARefusedBodyIsNotReset(t *testing.T) {
	for what, length := range map[string][]string{"of a size": {"content-length", "1048576"}, "of no size": nil} {
		t.Run(what, func(t *testing.T) {
			s := start(t, service(backend(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })), exchange.Config{Limits: gateway.Limits{BodyBytes: 100 * teal.KiB}})
			framer, settings := s.rawHTTP2()
			window := uint32(65535)
			if said, ok := settings.Value(http2.SettingInitialWindowSize); ok {
				window = said
			}
			framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
			block := headers(append([]string{":method", "POST", ":scheme", "http", ":authority", "x", ":path", "/"}, length...)...)
			if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndHeaders: true}); err != nil {
				t.Fatal(err)
			}
			u := upload{framer: framer, left: 1 << 20, stream: int(window), session: 65535}
			proceed := func(until *bool) {
				t.Helper()
				for !*until {
					if err := u.step(); err != nil {
						t.Fatal(err)
					}
				}
			}
			proceed(&u.over)
			if err := framer.WritePing(false, [8]byte{}); err != nil {
				t.Fatal(err)
			}
			proceed(&u.quiet)
			if u.status != "413" || u.body == 0 || u.reset {
				t.Errorf("%+v", u)
			}
			s.nothingInFlight()
		})
	}
}
