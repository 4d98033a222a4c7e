package front

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// A request whose body is empty and one without a body are not the same to an instance
// that speaks HTTP/2: grpc-go waits for the end of a body that ends with its head.
//
// Seen red with a stream that is carried as bodiless when its end has come already.
func TestAnEmptyBodyIsABody(t *testing.T) {
	s := start(t, http2Backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Length", fmt.Sprint(r.ContentLength))
	}), exchange.Config{})
	for _, open := range []bool{true, false} {
		framer, _ := s.rawHTTP2()
		block := headers(":method", "POST", ":scheme", "http", ":authority", "x", ":path", "/")
		err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: !open, BlockFragment: block})
		if open {
			err = errors.Join(err, framer.WriteData(1, true, nil))
		}
		if err != nil {
			t.Fatal(err)
		}
		want := map[bool]string{true: "-1", false: "0"}[open]
		if got := headOf(t, framer)["length"]; got != want {
			t.Errorf("open %v: the instance is told a length of %q, want %s", open, got, want)
		}
	}
}

// headOf returns the fields of the next answer.
func headOf(t *testing.T, framer *http2.Framer) map[string]string {
	t.Helper()
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		h, ok := f.(*http2.HeadersFrame)
		if !ok {
			continue
		}
		fields, err := decoder().DecodeFull(h.HeaderBlockFragment())
		if err != nil {
			t.Fatal(err)
		}
		list := map[string]string{}
		for _, x := range fields {
			list[x.Name] = x.Value
		}
		return list
	}
}

// What a client sends is taken as the instance takes it: no more than the stream's
// window and the kernel's buffers is under way, and others go on meanwhile.
//
// Seen red with a session that gives the window back as the bytes arrive.
func TestAnInstanceThatDoesNotReadStopsItsClient(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	host := rawBackend(t, func(c net.Conn, r *bufio.Reader) {
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			switch {
			case strings.HasPrefix(line, "POST"):
				_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
				<-hold
				return
			case line == "\r\n":
				if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
					return
				}
			}
		}
	})
	s := start(t, service(host), exchange.Config{})
	c := http2Client(t)
	body := &counted{left: 64 << 20}
	gone := make(chan error, 1)
	r, _ := http.NewRequestWithContext(t.Context(), "POST", "http://"+s.addr+"/", body)
	go func() {
		_, err := c.Do(r) //nolint:bodyclose // it gets no answer
		gone <- err
	}()
	last, still := int64(-1), 0
	eventually(t, func() error {
		n := body.read.Load()
		if still++; n != last {
			last, still = n, 0
		}
		if n == 0 || still < 50 {
			return errors.New("it still sends")
		}
		response, err := c.Get("http://" + s.addr + "/")
		if err != nil {
			return err
		}
		return response.Body.Close()
	})
	if n := body.read.Load(); n > 16<<20 {
		t.Errorf("%d bytes were taken for an instance that reads none", n)
	}
	select {
	case err := <-gone:
		t.Fatal(err)
	default:
	}
}

// A client that asks for much and reads nothing costs bounded memory, and is ended when
// it has taken nothing for WriteStall. What it asks meanwhile is not even read.
//
// Seen red without the session's deadline for what waits to be written.
func TestAClientThatDoesNotReadHTTP2(t *testing.T) {
	large := make([]byte, 1<<20)
	host := backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(large) })
	s := start(t, service(host), exchange.Config{Limits: gateway.Limits{WriteStall: time.Second}})
	c, r := s.dialRaw(http2.ClientPreface)
	framer := http2.NewFramer(c, r)
	block := headers(":method", "GET", ":scheme", "http", ":authority", "x", ":path", "/")
	err := errors.Join(framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30}), framer.WriteWindowUpdate(0, 1<<30))
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for id := uint32(1); id < 400 && err == nil; id += 2 {
		err = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, EndStream: true, BlockFragment: block})
	}
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { // until the connection is ended
		if framer.WritePing(false, [8]byte{}) == nil {
			return errors.New("the connection stands")
		}
		return nil
	})
	s.nothingInFlight()
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<20 {
		t.Errorf("the heap has grown by %d MB", grown>>20)
	}
}

// Streams that have much to say on one connection take turns, however many they are.
//
// Seen red with a wake that lets them go on in the order in which they began.
func TestStreamsTakeTurns(t *testing.T) {
	const streams, size = 8, 4 << 20
	large := make([]byte, size)
	host := backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(large) })
	s := start(t, service(host), exchange.Config{})
	c, r := s.dialRaw(http2.ClientPreface)
	framer := http2.NewFramer(c, r)
	framer.SetMaxReadFrameSize(1 << 20)
	err := errors.Join(framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30}), framer.WriteWindowUpdate(0, 1<<30))
	block := headers(":method", "GET", ":scheme", "http", ":authority", "x", ":path", "/")
	for id := uint32(1); id < 2*streams; id += 2 {
		err = errors.Join(err, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, EndStream: true, BlockFragment: block}))
	}
	if err != nil {
		t.Fatal(err)
	}
	got := map[uint32]int{}
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := f.(*http2.DataFrame); ok {
			if got[d.StreamID] += len(d.Data()); d.StreamEnded() {
				break
			}
		}
	}
	for id := uint32(1); id < 2*streams; id += 2 {
		if got[id] < size/8 {
			t.Errorf("stream %d has %d bytes when the first of %d is whole: %v", id, got[id], streams, got)
		}
	}
}

// A server that stops says so twice: what the client asks before it can have heard is
// still answered.
//
// Seen red with a session that names its last stream at once.
func TestGoodbyeOverHTTP2(t *testing.T) {
	goOn := make(chan struct{})
	host := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-goOn
		}
		_, _ = io.WriteString(w, "ok")
	})
	s := start(t, service(host), exchange.Config{})
	framer, _ := s.rawHTTP2()
	ask := func(id uint32, path string) {
		t.Helper()
		block := headers(":method", "GET", ":scheme", "http", ":authority", "x", ":path", path)
		if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, EndStream: true, BlockFragment: block}); err != nil {
			t.Fatal(err)
		}
	}
	ask(1, "/slow")
	s.inFlight(1)
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	var seen []string
	answered := map[uint32]bool{}
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			break
		}
		switch f := f.(type) {
		case *http2.GoAwayFrame:
			seen = append(seen, fmt.Sprint(f.LastStreamID, " ", f.ErrCode))
			if len(seen) == 1 {
				ask(3, "/") // as if it had been under way
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				if err := framer.WritePing(true, f.Data); err != nil {
					t.Fatal(err)
				}
			}
		case *http2.DataFrame:
			if f.StreamEnded() {
				answered[f.StreamID] = true
			}
			if f.StreamID == 3 {
				close(goOn)
			}
		}
	}
	if fmt.Sprint(seen) != "[2147483647 NO_ERROR 3 NO_ERROR]" || !answered[1] || !answered[3] {
		t.Errorf("said %q, answered %v", seen, answered)
	}
	if err := receive(t, stopped, "the server to stop"); err != nil {
		t.Error(err)
	}
}

// A request of which the client resets the stream costs the instance nothing any more,
// whatever it was doing.
//
// Seen red with a reset that leaves the stream to its end.
func TestAResetStreamLeavesItsInstance(t *testing.T) {
	arrived, left := make(chan struct{}, 1), make(chan struct{}, 1)
	host := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/begun" {
			_, _ = io.WriteString(w, "some")
			_ = http.NewResponseController(w).Flush()
		}
		arrived <- struct{}{}
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		left <- struct{}{}
	})
	s := start(t, service(host), exchange.Config{})
	framer, _ := s.rawHTTP2()
	id := uint32(1)
	for _, path := range []string{"/", "/begun", "/body"} {
		block := headers(":method", "POST", ":scheme", "http", ":authority", "x", ":path", path)
		err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, EndStream: path != "/body", BlockFragment: block})
		if path == "/body" {
			err = errors.Join(err, framer.WriteData(id, false, []byte("some")))
		}
		if err != nil {
			t.Fatal(err)
		}
		receive(t, arrived, "the request")
		if err := framer.WriteRSTStream(id, http2.ErrCodeCancel); err != nil {
			t.Fatal(err)
		}
		receive(t, left, "the instance to be left")
		s.nothingInFlight()
		id += 2
	}
}

// parrot answers whatever it gets, without allocating.
func parrot(t testing.TB) string {
	return rawBackend(t, func(c net.Conn, _ *bufio.Reader) {
		buffer, answer := make([]byte, 4096), []byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello")
		for {
			if _, err := c.Read(buffer); err != nil {
				return
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	})
}

// An idle connection holds little.
func TestIdleConnectionsOfHTTP2(t *testing.T) {
	const conns, most = 200, 12 << 10
	s := start(t, service(parrot(t)), exchange.Config{})
	open := func() *http2.Framer {
		framer, _ := s.rawHTTP2()
		block := headers(":method", "GET", ":scheme", "http", ":authority", "shop.example", ":path", "/", "user-agent", "test")
		if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true, BlockFragment: block}); err != nil {
			t.Fatal(err)
		}
		_ = headOf(t, framer)
		return framer
	}
	list := []*http2.Framer{open()}
	var before, after runtime.MemStats
	for range 3 { // what pools keep goes with the second
		runtime.GC()
	}
	runtime.ReadMemStats(&before)
	for range conns {
		list = append(list, open())
	}
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / conns
	t.Logf("%d bytes for each connection, with what its client holds here", each)
	if each > most {
		t.Errorf("%d bytes for each connection, want %d at most", each, most)
	}
	runtime.KeepAlive(list)
}

// counted is a body that says how much of it has been read.
type counted struct {
	left int64
	read atomic.Int64
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	if c.read.Load() >= c.left {
		return 0, io.EOF
	}
	c.read.Add(int64(len(p)))
	return len(p), nil
}

func decoder() *hpack.Decoder { return hpack.NewDecoder(4096, nil) }
