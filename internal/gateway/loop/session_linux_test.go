package loop

import (
	"bytes"
	"testing"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"teal/internal/http2"
)

// A client that keeps the connection's window shut, or opens it by a byte, has the server
// look at as many streams as can say something, not at all that wait: 240 streams made a
// ping cost as much as 15 requests.
//
// Seen red with a wake that does not look at the connection's window (3 woken by a ping,
// 3 by one byte).
func TestNoMoreStreamsAreWokenThanCanSpeak(t *testing.T) {
	l := &loop{}
	codec := http2.New(http2.Limits{Streams: 10, HeaderBytes: 8 << 10, StreamWindow: 1 << 16, ConnectionWindow: 1 << 16})
	s := &session{codec: codec, client: &clientConn{loop: l}}
	var in, block bytes.Buffer
	in.WriteString(http2.Preface)
	framer := xhttp2.NewFramer(&in, nil)
	_ = framer.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1 << 20})
	encoder := hpack.NewEncoder(&block)
	for id := uint32(1); id <= 5; id += 2 {
		block.Reset()
		for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "shop"}, {":path", "/"}} {
			_ = encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		_ = framer.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
	}
	read := func() {
		for in.Len() > 0 {
			e, n, err := codec.Next(in.Bytes(), 0)
			if err != nil || n == 0 {
				t.Fatalf("%d, %v", n, err)
			}
			in.Next(n)
			if e.Kind == http2.Request {
				c := &clientConn{loop: l, socket: socket{stream: &stream{session: s, blocked: true}}}
				codec.Accept(&c.stream.Stream, c)
				s.blocked = append(s.blocked, c)
			}
		}
	}
	read()
	whole := make([]byte, 65535)
	if n := codec.Send(&s.blocked[0].stream.Stream, whole, false); n != len(whole) {
		t.Fatalf("sent %d", n)
	}
	for _, step := range []struct{ room, woken int }{{0, 0}, {1, 1}, {1, 2}} {
		if step.room > 0 {
			_ = framer.WriteWindowUpdate(0, uint32(step.room))
			read()
		}
		before := len(l.again)
		s.wake()
		if woken := len(l.again) - before; woken != step.woken {
			t.Errorf("%d more bytes wake %d streams, not %d", step.room, woken, step.woken)
		}
	}
	if len(s.blocked) != 0 {
		t.Errorf("%d streams wait on", len(s.blocked))
	}
}
