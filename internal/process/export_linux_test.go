package process

import (
	"testing"

	"golang.org/x/sys/unix"
)

// ShrinkGuardPipe makes the pipe to the guard as small as can be.
func (r *Runner) ShrinkGuardPipe(t *testing.T) {
	t.Helper()
	r.guard.mu.Lock()
	defer r.guard.mu.Unlock()
	conn, err := r.guard.pipe.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Control(func(fd uintptr) { _, err = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 4096) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}
