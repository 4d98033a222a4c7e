package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// view is how a process sees the file system: with some folders read-only, and
// with a folder of its own in the place of /tmp.
type view struct {
	readOnly []string
	tmp      string   // "" leaves /tmp as it is
	needed   []string // what must be seen: with one of these below /tmp, that stays as it is
}

func (v view) plain() bool { return len(v.readOnly) == 0 && v.tmp == "" }

// sharedTmp is what view.tmp takes the place of.
const sharedTmp = "/tmp"

// surveyMounts returns why this program cannot give its children views of their
// own, nil when it can.
func surveyMounts() (err error) {
	onOwnThread(func() { // which ends, and the namespace with it
		err = view{readOnly: []string{os.TempDir()}}.enter()
	})
	return err
}

// enter makes the calling thread see the file system so, in a mount namespace of
// its own. Mounts that the machine gets later are seen there, too.
func (v view) enter() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("a mount namespace cannot be made: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("the mount namespace cannot be made private: %w", err)
	}
	for _, folder := range v.readOnly {
		if err := mountReadOnly(folder); err != nil {
			return fmt.Errorf("%s cannot be made read-only: %w", folder, err)
		}
	}
	if v.tmp == "" || slices.ContainsFunc(slices.Concat(v.needed, v.readOnly, []string{v.tmp}), inSharedTmp) {
		return nil
	}
	if err := unix.Mount(v.tmp, sharedTmp, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("a /tmp of its own cannot be made: %w", err)
	}
	return nil
}

// inSharedTmp reports whether something would not be seen any more behind another
// /tmp: who keeps his data there, for a try, has one /tmp for all.
func inSharedTmp(path string) bool {
	tmp, err := filepath.EvalSymlinks(sharedTmp)
	if err != nil {
		return true
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return path == tmp || strings.HasPrefix(path, tmp+"/")
}

func mountReadOnly(folder string) error {
	var now unix.Statfs_t
	if err := unix.Statfs(folder, &now); err != nil {
		return err
	}
	if err := unix.Mount(folder, folder, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	// What holds for the file system already goes on to hold.
	kept := uintptr(now.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	return unix.Mount("", folder, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|kept, "")
}

// home is the mount namespace and the working directory of this program.
type home struct{ namespace, dir int }

func openHome() (h home, err error) {
	h.namespace, err = unix.Open("/proc/thread-self/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return h, err
	}
	if h.dir, err = unix.Open(".", unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
		return h, errors.Join(err, unix.Close(h.namespace))
	}
	return h, nil
}

func (h home) close() { _, _ = unix.Close(h.namespace), unix.Close(h.dir) }

// within runs f, which forks, on the starter's thread with a view of the file
// system. The thread is back home when it returns; a thread that cannot go home
// would start everything else with a stranger's view, so the program ends then.
func (v view) within(f func() error) (err error) {
	if v.plain() {
		return f()
	}
	h, err := openHome()
	if err != nil {
		return fmt.Errorf("the mount namespace cannot be kept: %w", err)
	}
	defer h.close()
	defer func() {
		if err := errors.Join(unix.Setns(h.namespace, unix.CLONE_NEWNS), unix.Fchdir(h.dir)); err != nil {
			panic(fmt.Sprintf("process: cannot return to the server's mount namespace: %v", err))
		}
	}()
	if err := v.enter(); err != nil {
		return err
	}
	return f()
}
