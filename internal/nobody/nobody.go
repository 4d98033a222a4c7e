// Package nobody gives tests an address at which nobody listens.
package nobody

import (
	"net"
	"testing"
)

// Address returns an address of this machine that refuses connections until the
// test has ended: it is the near end of a connection, so no listener is given its
// port meanwhile. That of a listener which was closed is free for whoever asks for
// a port next, a test beside this one for instance.
func Address(t testing.TB) string {
	t.Helper()
	far, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	near, err := net.Dial("tcp", far.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Close() })
	return near.LocalAddr().String()
}
