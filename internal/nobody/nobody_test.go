package nobody

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

// Seen red with the address of a listener that was closed: it could be listened at.
func TestNobodyCanListenThere(t *testing.T) {
	address := Address(t)
	if c, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a connection to it: %v, %v", c, err)
	}
	if l, err := net.Listen("tcp", address); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a listener at it: %v, %v", l, err)
	}
}
