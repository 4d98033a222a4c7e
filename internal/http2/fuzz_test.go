package http2

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"pgregory.net/rapid"
)

// FuzzConn: whatever comes, what this codec takes for a request another implementation
// takes for the same one, what comes out are frames, and no window is wrong.
func FuzzConn(f *testing.F) {
	for _, pairs := range malformed {
		f.Add(seed(f, func(p *peer) { p.request(1, true, pairs...); p.request(3, true, get...) }))
	}
	f.Add(seed(f, func(p *peer) {
		p.request(1, false, with("content-length", "5", "cookie", "a", "cookie", "b")...)
		_ = p.framer.WriteDataPadded(1, false, []byte("hello"), make([]byte, 9))
		p.request(1, true, "x", "y")
		_ = p.framer.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 3})
		_ = p.framer.WriteWindowUpdate(0, 100)
		_ = p.framer.WriteRSTStream(1, xhttp2.ErrCodeCancel)
		_ = p.framer.WritePing(false, [8]byte{1})
		_ = p.framer.WriteGoAway(0, xhttp2.ErrCodeNo, nil)
	}))
	f.Add(seed(f, func(p *peer) {
		_ = p.framer.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: p.fields(get...)[:3], EndStream: true, PadLength: 3, Priority: xhttp2.PriorityParam{StreamDep: 3}})
		_ = p.framer.WriteContinuation(1, true, p.fields("a", "b"))
	}))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := New(testLimits)
		var ours []string
		all := append([]byte(Preface), data...)
		var own *Error
		for rest := all; len(rest) > 0; {
			e, n, err := c.Next(rest, 0)
			if errors.As(err, &own) || n == 0 {
				break
			}
			rest = rest[n:]
			switch e.Kind {
			case Request:
				checkHead(t, &c.Head)
				ours = append(ours, joinHead(&c.Head))
				s := &Stream{}
				c.Accept(s, nil)
				c.BeginHead(s, 200)
				c.EndHead(s, false)
			case Data:
				c.Use(e.Stream, len(e.Data))
				c.Send(e.Stream, e.Data, e.Ends)
			}
			checkWindows(t, c)
		}
		checkFrames(t, c.Out)
		theirs := readRequests(data)
		for i := range ours {
			if !slices.Contains(theirs, ours[i]) && !c.Head.TooLarge {
				t.Fatalf("request %q is none of another implementation's: %q", ours[i], theirs)
			}
		}
		if len(c.streams) > testLimits.Streams {
			t.Fatalf("%d streams", len(c.streams))
		}
	})
}

func seed(f *testing.F, write func(p *peer)) []byte {
	p := newPeer(f, testLimits)
	_ = p.framer.WriteSettings()
	write(p)
	return bytes.Clone(p.in.Bytes())
}

// checkHead looks for what an HTTP/1.1 server could take for something else.
func checkHead(t *testing.T, h *Head) {
	t.Helper()
	for _, f := range h.Fields {
		if strings.ContainsAny(f.Name, " :\r\n\x00") || f.Name == "" || strings.ContainsAny(f.Value, "\r\n\x00") || isOfConnection(f.Name) || f.Name == "host" || f.Name == "content-length" {
			t.Fatalf("field %q: %q", f.Name, f.Value)
		}
	}
	for _, text := range []string{h.Method, h.Authority, h.Path, h.Protocol} {
		if strings.ContainsAny(text, "\r\n\x00") {
			t.Fatalf("%q", text)
		}
	}
}

func checkWindows(t *testing.T, c *Conn) {
	t.Helper()
	if c.window < 0 || c.window > int64(testLimits.ConnectionWindow) || c.room < 0 || c.room > maxStream {
		t.Fatalf("the connection's windows: %d, %d", c.window, c.room)
	}
	for _, s := range c.streams {
		if s.window < 0 || s.window > int64(testLimits.StreamWindow) || s.room > maxStream || s.received && s.ended {
			t.Fatalf("a stream's windows: %+v", s)
		}
	}
}

// checkFrames reads what has come out.
func checkFrames(t *testing.T, out []byte) {
	t.Helper()
	framer := xhttp2.NewFramer(nil, bytes.NewReader(out))
	framer.SetMaxReadFrameSize(largestFrame)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		if _, err := framer.ReadFrame(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("what came out: %v", err)
		}
	}
}

// joinHead writes a request as readRequests does.
func joinHead(h *Head) string {
	if h.TooLarge {
		return "too large"
	}
	lines := []string{h.Method, h.Scheme, h.Authority, h.Path, h.Protocol}
	for _, f := range h.Fields {
		lines = append(lines, f.Name+": "+f.Value)
	}
	return strings.Join(lines, "\n")
}

// readRequests returns the requests that x/net's framer finds.
func readRequests(data []byte) []string {
	list := []string{"too large"}
	framer := xhttp2.NewFramer(nil, bytes.NewReader(data))
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	framer.MaxHeaderListSize = 1 << 20
	for {
		f, err := framer.ReadFrame()
		if errors.As(err, &xhttp2.StreamError{}) {
			continue
		}
		if err != nil {
			return list
		}
		if m, ok := f.(*xhttp2.MetaHeadersFrame); ok {
			authority := m.PseudoValue("authority")
			for _, x := range m.RegularFields() {
				if x.Name == "host" && authority == "" {
					authority = x.Value
				}
			}
			lines := []string{m.PseudoValue("method"), m.PseudoValue("scheme"), authority, m.PseudoValue("path"), m.PseudoValue("protocol")}
			for _, x := range m.RegularFields() {
				if x.Name != "host" && x.Name != "content-length" {
					lines = append(lines, x.Name+": "+x.Value)
				}
			}
			list = append(list, strings.Join(lines, "\n"))
		}
	}
}

// FuzzFields: another implementation reads the fields of an answer as they were meant.
func FuzzFields(f *testing.F) {
	f.Add(200, "Content-Type", "text/plain", int64(5))
	f.Add(599, "www-authenticate", "", int64(1<<40))
	f.Add(101, "X-Long", strings.Repeat("v", 300), int64(127))
	f.Fuzz(func(t *testing.T, status int, name, value string, length int64) {
		if status < 100 || status > 999 || name == "" || length < 0 {
			return
		}
		block := appendLength(appendField(appendStatus(nil, status), name, value), length)
		fields, err := hpack.NewDecoder(0, nil).DecodeFull(block)
		if err != nil || len(fields) != 3 {
			t.Fatalf("%v %v", fields, err)
		}
		got := [...]string{fields[0].Value, fields[1].Name, fields[1].Value, fields[2].Value}
		low := []byte(name)
		for i := range low {
			low[i] = lower(low[i])
		}
		digits := hpack.HeaderField{Name: "content-length", Value: string(appendDecimal(length))}
		want := [...]string{string(appendDecimal(int64(status))), string(low), value, digits.Value}
		if got != want || fields[2].Name != "content-length" {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}

func appendDecimal(n int64) []byte {
	if n < 10 {
		return []byte{byte('0' + n)}
	}
	return append(appendDecimal(n/10), byte('0'+n%10))
}

// Flow control: whatever the two sides do within their windows, neither sends more than
// the other has allowed, and everything arrives once both have let it.
//
// Seen red with a Use that gives back twice, with one that gives nothing back to the
// connection, and with a resize that leaves open streams as they were.
func TestFlowControl(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"upload":   m.upload,
			"use":      m.use,
			"send":     m.send,
			"update":   m.update,
			"settings": m.settings,
			"":         m.check,
		})
		m.drain(t)
	})
}

// model is what a client knows of the windows.
type model struct {
	peer    *peer
	up      map[uint32]int64 // what it may still send
	upAll   int64
	down    map[uint32]int64 // what it still takes
	downAll int64
	initial int64
	unused  map[uint32]int // what the server has and has not used
	wanted  map[uint32]int // what is still to come down
	sent    map[uint32]int64
	got     map[uint32]int64
}

func newModel(t *rapid.T) *model {
	m := &model{
		peer: newPeer(t, testLimits), up: map[uint32]int64{}, down: map[uint32]int64{}, unused: map[uint32]int{}, wanted: map[uint32]int{},
		sent: map[uint32]int64{}, got: map[uint32]int64{}, upAll: int64(testLimits.ConnectionWindow), downAll: defaultWindow, initial: defaultWindow,
	}
	for _, id := range []uint32{1, 3, 5} {
		m.peer.request(id, false, get...)
		m.up[id], m.down[id] = int64(testLimits.StreamWindow), defaultWindow
	}
	_, _ = m.peer.take()
	for _, s := range m.peer.streams {
		m.peer.conn.BeginHead(s, 200)
		m.peer.conn.EndHead(s, false)
	}
	return m
}

func (m *model) stream(t *rapid.T) uint32 {
	return rapid.SampledFrom([]uint32{1, 3, 5}).Draw(t, "stream")
}

func (m *model) upload(t *rapid.T) {
	id := m.stream(t)
	pad := rapid.IntRange(0, 20).Draw(t, "padding")
	most := min(m.up[id], m.upAll, maxFrame) - int64(pad) - 1
	if most < 0 {
		return
	}
	n := rapid.Int64Range(0, most).Draw(t, "bytes")
	size := n
	if pad > 0 {
		_ = m.peer.framer.WriteDataPadded(id, false, make([]byte, n), make([]byte, pad))
		size += int64(pad) + 1
	} else {
		_ = m.peer.framer.WriteData(id, false, make([]byte, n))
	}
	m.up[id], m.upAll = m.up[id]-size, m.upAll-size
	m.unused[id] += int(n)
	m.deliver(t)
}

func (m *model) deliver(t *rapid.T) {
	if events, err := m.peer.take(); err != nil {
		t.Fatalf("%v %v", events, err)
	}
}

func (m *model) use(t *rapid.T) {
	id := m.stream(t)
	n := rapid.IntRange(0, m.unused[id]).Draw(t, "bytes")
	m.unused[id] -= n
	m.peer.conn.Use(m.peer.streams[id], n)
}

func (m *model) send(t *rapid.T) {
	id := m.stream(t)
	n := rapid.IntRange(0, 100_000).Draw(t, "bytes")
	m.sent[id] += int64(m.peer.conn.Send(m.peer.streams[id], make([]byte, n), false))
}

func (m *model) update(t *rapid.T) {
	id := rapid.SampledFrom([]uint32{0, 1, 3, 5}).Draw(t, "stream")
	n := rapid.Int64Range(1, 100_000).Draw(t, "bytes")
	if id == 0 {
		m.downAll += n
	} else {
		m.down[id] += n
	}
	_ = m.peer.framer.WriteWindowUpdate(id, uint32(n))
	m.deliver(t)
}

func (m *model) settings(t *rapid.T) {
	window := rapid.Int64Range(0, 200_000).Draw(t, "window")
	for id := range m.down {
		m.down[id] += window - m.initial
	}
	m.initial = window
	_ = m.peer.framer.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: uint32(window)})
	m.deliver(t)
}

// check reads what has come out.
func (m *model) check(t *rapid.T) {
	for _, line := range m.peer.frames() {
		var id, n uint32
		var ends bool
		switch {
		case scan(line, "data %d %d %v", &id, &n, &ends):
			m.down[id], m.downAll, m.got[id] = m.down[id]-int64(n), m.downAll-int64(n), m.got[id]+int64(n)
			if n > 0 && (m.down[id] < 0 || m.downAll < 0) {
				t.Fatalf("%s: more than the client takes: %d, %d", line, m.down[id], m.downAll)
			}
		case scan(line, "window %d %d", &id, &n):
			if id == 0 {
				m.upAll += int64(n)
			} else {
				m.up[id] += int64(n)
			}
			if m.upAll > int64(testLimits.ConnectionWindow) || m.up[id] > int64(testLimits.StreamWindow) {
				t.Fatalf("%s: more than the server takes", line)
			}
		case strings.HasPrefix(line, "reset") || strings.HasPrefix(line, "goaway"):
			t.Fatal(line)
		}
	}
	for id, s := range m.peer.streams {
		if s.Sent() != m.sent[id] || m.got[id] != m.sent[id] {
			t.Fatalf("stream %d: sent %d, said %d, arrived %d", id, s.Sent(), m.sent[id], m.got[id])
		}
	}
}

// drain lets everything go: then each side may send again.
func (m *model) drain(t *rapid.T) {
	for id, s := range m.peer.streams {
		m.peer.conn.Use(s, m.unused[id])
	}
	m.check(t)
	for id := range m.up {
		if m.up[id] < int64(testLimits.StreamWindow)/2 || m.upAll < int64(testLimits.ConnectionWindow)/2 {
			t.Fatalf("stream %d may send %d, of all %d", id, m.up[id], m.upAll)
		}
		if room := m.peer.conn.Room(m.peer.streams[id]); int64(room) != max(min(m.down[id], m.downAll), 0) {
			t.Fatalf("stream %d has room for %d, the client for %d and %d", id, room, m.down[id], m.downAll)
		}
	}
}

func scan(line, format string, into ...any) bool {
	r := strings.NewReader(line)
	n, err := fmt.Fscanf(r, format, into...)
	return err == nil && n == len(into)
}
