package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"teal"
)

// cgroupRemoveTimeout is how long cgroups are tried to be emptied and removed. Killing
// takes effect within milliseconds, unless a process waits for a broken disk.
const cgroupRemoveTimeout = 5 * time.Second

// hierarchy is a place in the cgroup file system where the server may make
// cgroups, one for each process.
type hierarchy struct {
	version      int    // 1 or 2
	dir          string // where the cgroups are made
	serverCgroup string // cgroup v1: the server's own cgroup; used on the starter's thread
	name         groupName
}

// prefix is what the paths of all cgroups of this server begin with.
func (h *hierarchy) prefix() string { return filepath.Join(h.dir, h.name.prefix()) }

// cgroup holds one process and all that it starts. The methods of a nil
// *cgroup do nothing.
type cgroup struct {
	in  *hierarchy
	dir string
}

// create makes a cgroup. A memory of 0 does not limit it.
func (h *hierarchy) create(seq int64, memory teal.Bytes) (*cgroup, error) {
	g := &cgroup{in: h, dir: h.prefix() + strconv.FormatInt(seq, 10)}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return nil, err
	}
	if memory > 0 {
		if err := g.limit(memory); err != nil {
			g.discard()
			return nil, err
		}
	}
	return g, nil
}

// limit sets the limit without swap: memory that is paged out is memory too.
// Files for swap are missing where the kernel does not account for it.
func (g *cgroup) limit(memory teal.Bytes) error {
	n := strconv.FormatInt(int64(memory), 10)
	if g.in.version == 1 {
		if err := g.write("memory.limit_in_bytes", n); err != nil {
			return err
		}
		return ignoreMissing(g.write("memory.memsw.limit_in_bytes", n))
	}
	if err := g.write("memory.max", n); err != nil {
		return err
	}
	if err := ignoreMissing(g.write("memory.swap.max", "0")); err != nil {
		return err
	}
	return ignoreMissing(g.write("memory.oom.group", "1"))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// fork executes a program whose process is in the cgroup from its first moment.
// It must be called on the starter's thread.
func (g *cgroup) fork(req forkRequest) (child, error) {
	if g.in.version == 2 {
		return g.forkV2(req)
	}
	// A child is born into the cgroup of the thread that forks it.
	id := strconv.Itoa(threadID())
	if err := g.write("tasks", id); err != nil {
		return child{}, fmt.Errorf("enter the cgroup: %w", err)
	}
	defer g.in.leaveChildCgroup(id)
	return forkPlain(req, -1)
}

// leaveChildCgroup takes the thread out of a child's cgroup. Should that fail although the
// server's own cgroup was looked up again, the next fork takes it out; kill
// spares the server until then.
func (h *hierarchy) leaveChildCgroup(thread string) {
	if writeFile(filepath.Join(h.serverCgroup, "tasks"), thread) == nil {
		return
	}
	home, err := locate(readText("/proc/self/mountinfo"), readText("/proc/self/cgroup"), 1)
	if err == nil && writeFile(filepath.Join(home, "tasks"), thread) == nil {
		h.serverCgroup = home
	}
}

func (g *cgroup) forkV2(req forkRequest) (child, error) {
	dir, err := os.Open(g.dir)
	if err != nil {
		return child{}, err
	}
	c, err := forkPlain(req, int(dir.Fd()))
	if closeErr := dir.Close(); closeErr != nil && err == nil {
		err = closeErr
	}
	if !errors.Is(err, syscall.ENOSYS) {
		return c, err
	}
	// Some container runtimes forbid clone3. What the program does in its
	// first microseconds, until it is moved, is then not limited.
	if c, err = forkPlain(req, -1); err != nil {
		return c, err
	}
	return c, g.write("cgroup.procs", strconv.Itoa(c.pid))
}

// oomKills returns how many processes the kernel killed for the limit.
func (g *cgroup) oomKills() int64 {
	if g == nil {
		return 0
	}
	file := "memory.events"
	if g.in.version == 1 {
		file = "memory.oom_control"
	}
	return field(g.read(file), "oom_kill")
}

// peak returns the most memory that the cgroup held; 0 when it cannot say.
func (g *cgroup) peak() teal.Bytes {
	if g == nil {
		return 0
	}
	files := []string{"memory.peak", "memory.current"} // kernels before 5.19 have no peak
	if g.in.version == 1 {
		files = []string{"memory.max_usage_in_bytes"}
	}
	for _, f := range files {
		if n, err := strconv.ParseInt(strings.TrimSpace(g.read(f)), 10, 64); err == nil {
			return teal.Bytes(n)
		}
	}
	return 0
}

// memory returns what the cgroup holds without the page cache that the kernel takes
// back first; false when it cannot say.
func (g *cgroup) memory() (teal.Bytes, bool) {
	file, inactive := "memory.current", "inactive_file"
	if g.in.version == 1 {
		file, inactive = "memory.usage_in_bytes", "total_inactive_file"
	}
	n, err := strconv.ParseInt(strings.TrimSpace(g.read(file)), 10, 64)
	if err != nil {
		return 0, false
	}
	return teal.Bytes(max(0, n-field(g.read("memory.stat"), inactive))), true
}

// cpu returns what was used of the processors in the cgroup; 0 when it cannot say, as
// that of memory alone of cgroup v1.
func (g *cgroup) cpu() time.Duration {
	if g == nil || g.in.version == 1 {
		return 0
	}
	return time.Duration(field(g.read("cpu.stat"), "usage_usec")) * time.Microsecond
}

// kill sends SIGKILL to every process in the cgroup. Without cgroup.kill, one
// that is forked meanwhile may be missed: call it until remove succeeds.
func (g *cgroup) kill() {
	if g == nil || (g.in.version == 2 && g.write("cgroup.kill", "1") == nil) {
		return
	}
	for _, pid := range g.members() {
		if pid > 1 {
			send(pid, syscall.SIGKILL)
		}
	}
}

// members returns the processes in the cgroup; without this program, which on
// cgroup v1 is in it while it forks.
func (g *cgroup) members() []int {
	if g == nil {
		return nil
	}
	var list []int
	for line := range strings.Lines(g.read("cgroup.procs")) {
		if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && pid != os.Getpid() {
			list = append(list, pid)
		}
	}
	return list
}

// remove removes the cgroup, which must be empty. One that is gone is no error.
func (g *cgroup) remove() error {
	if g == nil {
		return nil
	}
	return ignoreMissing(syscallRmdir(g.dir))
}

// discard removes a cgroup that never held a process.
func (g *cgroup) discard() {
	if err := g.remove(); err != nil {
		// It is empty and bears this server's name: Run removes it at its end.
		return
	}
}

// destroy kills what is in the cgroup until it can be removed, for at most
// patience. It returns why it could not be.
func (g *cgroup) destroy(patience time.Duration) error {
	deadline := time.Now().Add(patience)
	pause := time.Millisecond / 4
	for {
		err := g.remove()
		if err == nil {
			return nil
		}
		g.kill()
		if time.Now().After(deadline) {
			return fmt.Errorf("remove the cgroup: %w", err)
		}
		<-time.After(pause)
		pause = min(2*pause, 50*time.Millisecond)
	}
}

// sweepDead removes the cgroups of dead servers of the given name and returns
// how many there were.
func (h *hierarchy) sweepDead(server string) int {
	return h.sweep(func(n groupName) bool { return n.server == server && n.dead() })
}

// sweep kills and removes the cgroups whose names are chosen, for at most
// lastResort in all, and returns how many it removed.
func (h *hierarchy) sweep(chosen func(groupName) bool) int {
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		return 0
	}
	var groups []*cgroup
	for _, e := range entries {
		if name, ok := parseGroupName(e.Name()); ok && e.IsDir() && chosen(name) {
			g := &cgroup{in: h, dir: filepath.Join(h.dir, e.Name())}
			g.kill()
			groups = append(groups, g)
		}
	}
	removed := 0
	deadline := time.Now().Add(cgroupRemoveTimeout)
	for _, g := range groups {
		if g.destroy(time.Until(deadline)) == nil {
			removed++
		}
	}
	return removed
}

func (g *cgroup) read(name string) string {
	data, err := os.ReadFile(filepath.Join(g.dir, name))
	if err != nil {
		return ""
	}
	return string(data)
}

func (g *cgroup) write(name, value string) error {
	return writeFile(filepath.Join(g.dir, name), value)
}

// writeFile writes to a file of the kernel, which is never created or truncated.
func writeFile(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// syscallRmdir is os.Remove without the attempt to unlink first.
func syscallRmdir(dir string) error {
	if err := syscall.Rmdir(dir); err != nil {
		return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return nil
}

// field returns the number after key in a file of "key number" lines.
func field(text, key string) int64 {
	for line := range strings.Lines(text) {
		k, v, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || k != key {
			continue
		}
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return n
		}
	}
	return 0
}
