package natskv

import (
	"testing"

	"golang.org/x/sys/unix"
)

// A directory that was closed is free at once, although a child that is just being
// started has its lock's file open, too. Seen red with unlockDir that only closes the
// file: "in use by another Teal server", as TestRestart said once beside a test that
// starts processes.
func TestAClosedDirectoryIsFreeWhileAProcessIsStarted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lock, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	child, err := unix.Dup(int(lock.Fd())) // one open file with two descriptors, as after a fork
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(child) }()
	if err := unlockDir(lock); err != nil {
		t.Fatal(err)
	}
	again, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := unlockDir(again); err != nil {
		t.Fatal(err)
	}
}
