//go:build !race

package front

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// A request to a service that goes through the loops allocates nothing.
//
// Seen red with a function value made for each wait, and with the addresses of
// X-Forwarded-For joined to one text.
func TestAProxiedRequestAllocatesNothing(t *testing.T) {
	t.Run("of anybody", func(t *testing.T) { allocatesNothing(t, exchange.Config{}, "") })
	t.Run("through a trusted proxy", func(t *testing.T) {
		allocatesNothing(t, exchange.Config{Trusted: everybody}, "X-Forwarded-For: 203.0.113.1\r\nX-Forwarded-Proto: https\r\n")
	})
}

func allocatesNothing(t *testing.T, config exchange.Config, fields string) {
	host := parrot(t)
	web := &gateway.Component{Endpoints: &oneEndpoint{host: host}}
	web.Meter = &countingMeter{}
	s := start(t, web, config)
	c, _ := s.dialRaw("")
	request, answer := []byte("GET /items/1?x=2 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: test\r\nAccept: */*\r\n"+fields+"\r\n"), make([]byte, 4096)
	n := testing.AllocsPerRun(500, func() {
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(answer); err != nil {
			t.Fatal(err)
		}
	})
	if n > 0.1 { // what else the process does is counted too
		t.Errorf("%v allocations", n)
	}
	eventually(t, func() error { return web.Meter.(*countingMeter).settled(501) })
}

// countingMeter counts its calls.
type countingMeter struct{ begun, recorded, done atomic.Int64 }

func (m *countingMeter) Begin()                { m.begun.Add(1) }
func (m *countingMeter) Record(gateway.Sample) { m.recorded.Add(1) }
func (m *countingMeter) Done()                 { m.done.Add(1) }

func (m *countingMeter) settled(n int64) error {
	if m.begun.Load() != n || m.recorded.Load() != n || m.done.Load() != n {
		return fmt.Errorf("%d begun, %d recorded, %d done, want %d each", m.begun.Load(), m.recorded.Load(), m.done.Load(), n)
	}
	return nil
}

// oneEndpoint is always the same one.
type oneEndpoint struct{ host string }

func (e *oneEndpoint) Claim() (gateway.Endpoint, error) { return e, nil }
func (e *oneEndpoint) Address() gateway.Address         { return gateway.Address{Scheme: "http", Host: e.host} }
func (e *oneEndpoint) Done(bool)                        {}

func BenchmarkLoopRoundTrip(b *testing.B) {
	s := start(b, service(parrot(b)), exchange.Config{})
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	request, answer := []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Read(answer); err != nil {
			b.Fatal(err)
		}
	}
}

// …and one over HTTP/2 neither.
//
// Seen red with a new list of those who go on in each round.
func TestAProxiedStreamAllocatesNothing(t *testing.T) {
	web := &gateway.Component{Endpoints: &oneEndpoint{host: parrot(t)}}
	web.Meter = &countingMeter{}
	s := start(t, web, exchange.Config{})
	c, _ := s.dialRaw(http2.ClientPreface)
	framer := http2.NewFramer(c, nil)
	first := headers(":method", "GET", ":scheme", "http", ":authority", "shop.example", ":path", "/items/1?x=2", "user-agent", "test", "accept", "*/*")
	if err := errors.Join(framer.WriteSettings(), framer.WriteWindowUpdate(0, 1<<30), framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true, BlockFragment: first})); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 16<<10)
	end := []byte("hello") // of each answer
	read := func() {
		for n := 0; !bytes.HasSuffix(answer[:n], end); {
			more, err := c.Read(answer[n:])
			if err != nil {
				t.Fatal(err)
			}
			n += more
		}
	}
	read()
	// Method, scheme, host, path and the others are in the table now.
	block := []byte{0x82, 0x86, 0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62}
	request := append([]byte{0, 0, byte(len(block)), 1, 5, 0, 0, 0, 1}, block...)
	id := uint32(1)
	n := testing.AllocsPerRun(500, func() {
		id += 2
		binary.BigEndian.PutUint32(request[5:], id)
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		read()
	})
	if n > 0.1 { // what else the process does is counted too
		t.Errorf("%v allocations", n)
	}
	eventually(t, func() error { return web.Meter.(*countingMeter).settled(502) })
}
