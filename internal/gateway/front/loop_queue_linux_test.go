package front

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// oneLoop makes the servers of a test have one loop, so that all clients share
// its queues.
func oneLoop(t *testing.T) {
	t.Helper()
	before := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

// blocking is a meter that keeps the loop busy at the end of the first request
// until go on is closed.
type blocking struct {
	once     sync.Once
	recorded chan struct{}
	goOn     chan struct{}
}

func (b *blocking) Begin() {}
func (b *blocking) Done()  {}
func (b *blocking) Record(gateway.Sample) {
	b.once.Do(func() {
		close(b.recorded)
		<-b.goOn
	})
}

// A request that has waited for a connection is not sent on one that has been
// closed between its becoming free and the first byte.
//
// Seen red with relay not asking isStale (502 for POST).
func TestAQueuedRequestIsNotSentIntoAClosedConnection(t *testing.T) {
	oneLoop(t)
	for _, method := range []string{"GET", "POST"} {
		t.Run(method, func(t *testing.T) {
			meter := &blocking{recorded: make(chan struct{}), goOn: make(chan struct{})}
			var connections atomic.Int64
			inside, leave := make(chan struct{}), make(chan struct{})
			host := rawBackend(t, func(c net.Conn, r *bufio.Reader) {
				first := connections.Add(1) == 1
				for {
					request, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, request.Body)
					if first {
						close(inside)
						<-leave
					}
					_, _ = io.WriteString(c, ok)
					if first {
						<-meter.recorded
						_ = c.Close()
						close(meter.goOn)
						return
					}
				}
			})
			web := service(host)
			web.Meter = meter
			s := start(t, web, exchange.Config{Limits: gateway.Limits{InstanceRequests: 1}})
			_, holder := s.dialRaw("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			receive(t, inside, "the first request")
			_, queued := s.dialRaw(fmt.Sprintf("%s / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", method))
			s.inFlight(2)
			close(leave)
			for _, r := range []*bufio.Reader{holder, queued} {
				if response, body := readResponse(t, r, method); response.StatusCode != 200 || body != "ok" {
					t.Errorf("%d %q", response.StatusCode, body)
				}
			}
			if n := connections.Load(); n != 2 {
				t.Errorf("%d connections, want 2", n)
			}
			s.nothingInFlight()
		})
	}
}

// deaf returns an address that neither takes nor refuses connections.
func deaf(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	own, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	host := fmt.Sprintf("127.0.0.1:%d", own.(*unix.SockaddrInet4).Port)
	for range 3 { // the kernel takes one, perhaps two, for a queue of none
		c, err := net.DialTimeout("tcp", host, 100*time.Millisecond)
		if err != nil {
			return host
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Fatal("the kernel's queue takes more and more")
	return ""
}

// firstThen hands out one host for the first n claims, then another.
type firstThen struct {
	upstreams
	n     int64
	other string
}

func (f *firstThen) Claim() (gateway.Endpoint, error) {
	host := f.hosts[0]
	if f.next.Add(1) > f.n {
		host = f.other
	}
	f.open.Add(1)
	return &upstream{&f.upstreams, host}, nil
}

// Who waits for an instance hears when a connection to it fails, and goes on to
// another one.
//
// Seen red with close not calling free (they wait for as long as the queue lets them).
func TestAFailedConnectWakesWhoWaits(t *testing.T) {
	oneLoop(t)
	good := backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	endpoints := &firstThen{upstreams: upstreams{hosts: []string{deaf(t)}}, n: 3, other: good}
	s := start(t, &gateway.Component{Endpoints: endpoints}, exchange.Config{Limits: gateway.Limits{InstanceRequests: 1, Connect: 100 * time.Millisecond, Queue: time.Minute}})
	var all []*bufio.Reader
	for range 3 {
		_, r := s.dialRaw("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
		all = append(all, r)
	}
	for _, r := range all {
		if response, body := readResponse(t, r, "POST"); response.StatusCode != 200 || body != "ok" {
			t.Errorf("%d %q", response.StatusCode, body)
		}
	}
	s.nothingInFlight()
	if n := endpoints.open.Load(); n != 0 {
		t.Errorf("%d endpoints are held", n)
	}
}
