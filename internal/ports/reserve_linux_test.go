package ports_test

import (
	"fmt"
	"net"
	"testing"

	"teal/internal/ports"
)

// A reserved address refuses connections, can be listened on by who knows it, again
// and again, and is given to nobody else. Seen red when the socket was closed at once:
// another listener had the port after some thousands.
func TestReserve(t *testing.T) {
	t.Parallel()
	port, release, err := ports.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	defer func() {
		if err := release(); err != nil {
			t.Error(err)
		}
	}()
	for range 2 {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			t.Error("somebody listens")
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for range 60_000 { // ports are some 28 000
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if l.Addr().String() == address {
			t.Errorf("%s was given to another listener", address)
		}
		_ = l.Close()
	}
}
