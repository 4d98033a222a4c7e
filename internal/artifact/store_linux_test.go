package artifact

import (
	"bytes"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"teal/internal/removal"
)

// Seen red with removal.Tree not making folders writable: permission denied.
func TestAnOrdinaryUserCanRemoveBundles(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("every other test already runs as an ordinary user")
	}
	root, err := os.MkdirTemp("", "artifact-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = removal.Tree(root) })
	const nobody = 65534
	if err := os.Chown(root, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	data := mustZip(t, mustScan(t, plant(t, map[string]string{"d/e/f": "x"})))
	done := make(chan error, 1)
	go func() {
		// The identity belongs to this thread, which ends with the goroutine.
		runtime.LockOSThread()
		done <- asUser(nobody, func() error {
			s, err := Open(root, Limits{})
			if err != nil {
				return err
			}
			digest, err := s.Put(t.Context(), bytes.NewReader(data), "")
			if err != nil {
				return err
			}
			if err := s.Remove(digest); err != nil {
				return err
			}
			_, err = Open(root, Limits{})
			return err
		})
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func asUser(uid uintptr, do func() error) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); errno != 0 {
		return errno
	}
	return do()
}
