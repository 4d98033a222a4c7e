package carriertest

import (
	"bytes"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"teal/internal/await"
)

// http2Conn is a connection in HTTP/2, of which every frame is seen.
type http2Conn struct {
	t      *testing.T
	c      net.Conn
	framer *http2.Framer
	asked  ask
	id     uint32 // of the request's stream

	mu      sync.Mutex // guards what follows, and writing
	block   bytes.Buffer
	encoder *hpack.Encoder
	window  int64 // of the connection
	initial int64 // of a stream
	room    int64 // of the present stream
	opened  chan struct{}
	events  chan event // of the present stream
	over    bool       // the present stream was reset, or the connection has ended
	gone    bool       // the connection has
}

// event is one frame of a stream.
type event struct {
	fields fields // of a head or trailer
	data   string
	end    bool
	reset  bool
}

// connectionOnly are fields that HTTP/2 does not have.
var connectionOnly = []string{"connection", "keep-alive", "proxy-connection", "upgrade", "transfer-encoding"}

func newHTTP2(t *testing.T, c net.Conn) *http2Conn {
	t.Helper()
	h := &http2Conn{t: t, c: c, framer: http2.NewFramer(c, c), window: 65535, initial: 65535, opened: make(chan struct{}, 1)}
	h.encoder = hpack.NewEncoder(&h.block)
	h.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	h.id = ^uint32(0) // the first is 1
	h.locked(func() error {
		if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
			return err
		}
		return h.framer.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 0})
	})
	go h.read()
	return h
}

func (h *http2Conn) locked(f func() error) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := f(); err != nil {
		h.t.Logf("write: %v", err) // the server may have had enough
	}
}

// read reads frames until the connection ends.
func (h *http2Conn) read() {
	for {
		frame, err := h.framer.ReadFrame()
		h.mu.Lock()
		if err != nil {
			h.end()
			h.mu.Unlock()
			return
		}
		h.take(frame)
		h.mu.Unlock()
		select {
		case h.opened <- struct{}{}:
		default:
		}
	}
}

func (h *http2Conn) end() {
	h.over, h.gone = true, true
	if h.events != nil {
		close(h.events)
	}
}

// take takes a frame.
func (h *http2Conn) take(frame http2.Frame) {
	mine := frame.Header().StreamID == h.id && h.events != nil
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			return
		}
		if v, ok := f.Value(http2.SettingInitialWindowSize); ok {
			h.room += int64(v) - h.initial
			h.initial = int64(v)
		}
		_ = h.framer.WriteSettingsAck()
	case *http2.PingFrame:
		if !f.IsAck() {
			_ = h.framer.WritePing(true, f.Data)
		}
	case *http2.WindowUpdateFrame:
		switch f.StreamID {
		case 0:
			h.window += int64(f.Increment)
		case h.id:
			h.room += int64(f.Increment)
		}
	case *http2.MetaHeadersFrame:
		if mine {
			var list fields
			for _, x := range f.Fields {
				list = append(list, field{x.Name, x.Value})
			}
			h.events <- event{fields: list, end: f.StreamEnded()}
		}
	case *http2.DataFrame:
		if n := f.Length; n > 0 {
			_ = h.framer.WriteWindowUpdate(0, n)
			_ = h.framer.WriteWindowUpdate(f.StreamID, n)
		}
		if mine {
			h.events <- event{data: string(f.Data()), end: f.StreamEnded()}
		}
	case *http2.RSTStreamFrame:
		if mine {
			h.over = true
			h.events <- event{reset: true}
		}
	}
}

func (h *http2Conn) send(a ask) {
	h.t.Helper()
	h.locked(func() error {
		h.asked, h.room, h.over = a, h.initial, false
		h.events = make(chan event, 1<<14)
		if h.gone {
			close(h.events)
		}
		h.id += 2
		h.block.Reset()
		list := fields{{":method", a.method}, {":scheme", "https"}, {":authority", a.host}, {":path", a.target}}
		for _, x := range a.fields {
			if name := strings.ToLower(x.name); !slices.Contains(connectionOnly, name) {
				list = append(list, field{name, x.value})
			}
		}
		if a.body != "" && !a.chunked && a.fields.get("content-length") == "" {
			list = append(list, field{"content-length", strconv.Itoa(len(a.body))})
		}
		h.encode(list)
		const frame = 16 << 10
		block := h.block.Bytes()
		first := min(len(block), frame)
		err := h.framer.WriteHeaders(http2.HeadersFrameParam{
			StreamID: h.id, BlockFragment: block[:first], EndHeaders: first == len(block), EndStream: a.body == "" && !a.open && !a.chunked,
		})
		if rest := block[first:]; err == nil && len(rest) > 0 {
			err = h.framer.WriteContinuation(h.id, true, rest)
		}
		return err
	})
	if a.body != "" {
		h.more(a.body)
	}
	if !a.open && (a.body != "" || a.chunked) {
		h.finish(a.trailer)
	}
}

func (h *http2Conn) encode(list fields) {
	for _, x := range list {
		_ = h.encoder.WriteField(hpack.HeaderField{Name: strings.ToLower(x.name), Value: strings.TrimSpace(x.value)}) // into memory; no value has space around it (RFC 9113, 8.2.1)
	}
}

func (h *http2Conn) more(piece string) {
	h.t.Helper()
	const frame = 16 << 10
	for piece != "" {
		n := 0
		h.locked(func() error {
			if h.over {
				piece = ""
				return nil
			}
			n = int(min(int64(len(piece)), frame, h.window, h.room))
			if n <= 0 {
				n = 0
				return nil
			}
			h.window, h.room = h.window-int64(n), h.room-int64(n)
			return h.framer.WriteData(h.id, false, []byte(piece[:n]))
		})
		if piece == "" {
			return
		}
		if piece = piece[n:]; n == 0 {
			select {
			case <-h.opened:
			case <-time.After(await.Patience):
				h.t.Fatal("the server takes no more of a body")
			}
		}
	}
}

func (h *http2Conn) finish(trailer fields) {
	h.t.Helper()
	h.locked(func() error {
		if h.over {
			return nil
		}
		if len(trailer) == 0 {
			return h.framer.WriteData(h.id, true, nil)
		}
		h.block.Reset()
		h.encode(trailer)
		return h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: h.id, BlockFragment: h.block.Bytes(), EndHeaders: true, EndStream: true})
	})
}

// next returns the next frame of the stream.
func (h *http2Conn) next() (event, bool) {
	h.t.Helper()
	h.mu.Lock()
	events := h.events
	h.mu.Unlock()
	select {
	case e, ok := <-events:
		return e, ok
	case <-time.After(await.Patience):
		h.t.Fatal("there is no answer")
	}
	return event{}, false
}

func (h *http2Conn) reply(heads int) reply {
	h.t.Helper()
	var interim []reply
	for {
		e, ok := h.next()
		if !ok || e.reset {
			return reply{}
		}
		r := h.head(e)
		switch {
		case r.status < 200:
			interim = append(interim, r)
			if len(interim) == heads {
				return reply{interim: interim}
			}
			continue
		case heads == 0:
			h.readBody(&r, e.end)
		}
		r.interim = interim
		return r
	}
}

func (h *http2Conn) head(e event) reply {
	r := reply{whole: true}
	for _, x := range e.fields {
		switch x.name {
		case ":status":
			r.status, _ = strconv.Atoi(x.value)
		case "content-length":
			r.framing += "length " + x.value
		default:
			r.fields = append(r.fields, x)
		}
	}
	if r.framing == "" && !e.end && r.status >= 200 {
		r.framing = "chunked"
	}
	return r
}

func (h *http2Conn) readBody(r *reply, ended bool) {
	h.t.Helper()
	var body strings.Builder
	for !ended {
		e, ok := h.next()
		if !ok || e.reset {
			r.whole = false
			break
		}
		body.WriteString(e.data)
		r.trailer = append(r.trailer, e.fields...)
		ended = e.end
	}
	r.body = body.String()
	if want, sized := strings.CutPrefix(r.framing, "length "); sized && r.whole && h.asked.method != "HEAD" && r.status != 304 {
		r.whole = want == strconv.Itoa(len(r.body))
	}
}

func (h *http2Conn) piece(size int) string {
	h.t.Helper()
	var data string
	for len(data) < size {
		e, ok := h.next()
		if !ok || e.reset {
			break
		}
		data += e.data
	}
	return data
}

func (h *http2Conn) cancel() {
	h.locked(func() error { return h.framer.WriteRSTStream(h.id, http2.ErrCodeCancel) })
}

func (h *http2Conn) reset() { reset(h.c) }

func (h *http2Conn) isOver() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.over
}
