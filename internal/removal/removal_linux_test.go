package removal

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// plant makes a folder as a program leaves it: closed folders in closed folders, and
// links to a folder that is none of its own.
func plant(folder, elsewhere string) error {
	inner := filepath.Join(folder, "closed", "inner")
	if err := os.MkdirAll(inner, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(inner, "file"), nil, 0o400); err != nil {
		return err
	}
	if err := os.Symlink(elsewhere, filepath.Join(folder, "closed", "link")); err != nil {
		return err
	}
	for _, path := range []string{inner, filepath.Dir(inner), folder} {
		if err := os.Chmod(path, 0); err != nil {
			return err
		}
	}
	return nil
}

// An ordinary user can delete what its programs have closed, and what links lead to
// is left as it is. Seen red without the walk (permission denied), and with a walk
// that gives links' targets permissions too (os.Chmod for everything).
func TestTreeDeletesWhatIsClosed(t *testing.T) {
	t.Parallel()
	root, err := os.MkdirTemp("", "removal-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	folder, elsewhere := filepath.Join(root, "folder"), filepath.Join(root, "elsewhere")
	if err := os.Mkdir(elsewhere, 0o500); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	for _, path := range []string{root, elsewhere} {
		if os.Getuid() == 0 {
			if err := os.Chown(path, nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the identity belongs to this thread, which ends with the goroutine
		if os.Getuid() == 0 {
			if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
				done <- errno
				return
			}
		}
		err := plant(folder, elsewhere)
		if err == nil {
			err = Tree(folder)
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(folder); !os.IsNotExist(err) {
		t.Errorf("the folder is there: %v", err)
	}
	if info, err := os.Stat(elsewhere); err != nil || info.Mode().Perm() != 0o500 {
		t.Errorf("elsewhere is %v, %v", info.Mode(), err)
	}
}

func TestTreeOfNothing(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"", filepath.Join(t.TempDir(), "missing")} {
		if err := Tree(folder); err != nil {
			t.Errorf("%q: %v", folder, err)
		}
	}
}
