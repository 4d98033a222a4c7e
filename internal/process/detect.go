package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// serverLeaf is the cgroup v2 leaf that a server moves itself into.
const serverLeaf = "teal-server"

// detectLimits finds out which limits the machine offers to the server of the given
// name, by trying them.
func detectLimits(server string) limitSupport {
	var f limitSupport
	f.rlimit = hasRlimit
	mounts, memberships := readText("/proc/self/mountinfo"), readText("/proc/self/cgroup")
	if memberships == "" {
		f.v2Why, f.v1Why = "this system has no cgroups", "it offers nothing else"
		return f
	}
	var err error
	if f.v2, err = detectCgroupV2(mounts, memberships, server); err != nil {
		f.v2Why = "cgroup v2 cannot be used: " + err.Error()
	} else {
		return f
	}
	if f.v1, err = detectCgroupV1(mounts, memberships, server); err != nil {
		f.v1Why = "cgroup v1 cannot be used: " + err.Error()
	}
	return f
}

func detectCgroupV1(mounts, memberships, server string) (*hierarchy, error) {
	own, err := locate(mounts, memberships, 1)
	if err != nil {
		return nil, err
	}
	h := &hierarchy{version: 1, dir: own, serverCgroup: own, name: newGroupName(server)}
	return h.probed(func(g *cgroup) error {
		var err error
		onOwnThread(func() {
			id := strconv.Itoa(threadID())
			err = errors.Join(g.write("tasks", id), writeFile(filepath.Join(own, "tasks"), id))
		})
		return err
	})
}

func detectCgroupV2(mounts, memberships, server string) (*hierarchy, error) {
	own, err := locate(mounts, memberships, 2)
	if err != nil {
		return nil, err
	}
	dir, err := delegated(own)
	if err != nil {
		return nil, err
	}
	h := &hierarchy{version: 2, dir: dir, name: newGroupName(server)}
	return h.probed(func(g *cgroup) error {
		f, err := os.OpenFile(filepath.Join(g.dir, "cgroup.procs"), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return f.Close()
	})
}

// probed makes a limited cgroup, tries it and removes it, and returns h if all
// of that works.
func (h *hierarchy) probed(try func(*cgroup) error) (*hierarchy, error) {
	g, err := h.create(0, rlimitHeadroom)
	if err == nil {
		err = errors.Join(try(g), g.remove())
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

// delegated returns the directory where cgroups with a memory limit can be
// made: the server's own, if it hands the memory controller down. If it does
// not yet, and the server is alone in it, the server moves into a leaf, because
// a cgroup that hands a controller down may hold no process.
func delegated(own string) (string, error) {
	if filepath.Base(own) == serverLeaf && delegatesMemory(filepath.Dir(own)) {
		return filepath.Dir(own), nil
	}
	if delegatesMemory(own) {
		return own, nil
	}
	if !namesMemory(readText(filepath.Join(own, "cgroup.controllers"))) {
		return "", errors.New("it has no memory controller here")
	}
	me := strconv.Itoa(os.Getpid())
	if readText(filepath.Join(own, "cgroup.procs")) != me+"\n" {
		return "", errors.New("other processes share the server's cgroup; start it with: systemd-run --scope -p Delegate=yes teal server")
	}
	leaf := filepath.Join(own, serverLeaf)
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	if err := writeFile(filepath.Join(leaf, "cgroup.procs"), me); err != nil {
		return "", err
	}
	if err := writeFile(filepath.Join(own, "cgroup.subtree_control"), "+memory"); err != nil {
		return "", errors.Join(err, writeFile(filepath.Join(own, "cgroup.procs"), me))
	}
	return own, nil
}

func delegatesMemory(dir string) bool {
	return namesMemory(readText(filepath.Join(dir, "cgroup.subtree_control")))
}

// namesMemory reports whether the memory controller is in a list of them.
func namesMemory(text string) bool {
	for w := range strings.FieldsSeq(text) {
		if w == "memory" {
			return true
		}
	}
	return false
}

// locate returns the directory of the process's own cgroup: of the memory
// controller of version 1, or of version 2. mounts is the text of
// /proc/self/mountinfo, memberships of /proc/self/cgroup.
func locate(mounts, memberships string, version int) (string, error) {
	path, ok := membership(memberships, version)
	if !ok {
		return "", errors.New("the process is in none")
	}
	for line := range strings.Lines(mounts) {
		root, point, ok := cgroupMount(line, version)
		if !ok {
			continue
		}
		if rel, ok := under(path, root); ok {
			return filepath.Join(point, rel), nil
		}
	}
	return "", fmt.Errorf("no mount shows %s", path)
}

// membership reads lines such as "4:memory:/path" and "0::/path".
func membership(text string, version int) (string, bool) {
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 || !strings.HasPrefix(parts[2], "/") || strings.Contains(parts[2]+"/", "/../") {
			continue
		}
		if version == 2 && parts[0] == "0" && parts[1] == "" {
			return parts[2], true
		}
		if version == 1 && namesMemory(strings.ReplaceAll(parts[1], ",", " ")) {
			return parts[2], true
		}
	}
	return "", false
}

// cgroupMount reads one line of mountinfo: "35 31 0:32 ROOT POINT OPTIONS
// [TAGS] - TYPE SOURCE SUPEROPTIONS".
func cgroupMount(line string, version int) (root, point string, ok bool) {
	front, back, ok := strings.Cut(line, " - ")
	before, after := strings.Fields(front), strings.Fields(back)
	if !ok || len(before) < 6 || len(after) < 3 {
		return "", "", false
	}
	switch {
	case version == 2 && after[0] == "cgroup2":
	case version == 1 && after[0] == "cgroup" && namesMemory(strings.ReplaceAll(after[2], ",", " ")):
	default:
		return "", "", false
	}
	return unescapeMount(before[3]), unescapeMount(before[4]), true
}

// unescapeMount undoes the octal escapes of white space in mountinfo.
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// under returns path relative to root, both absolute, if it is below it.
func under(path, root string) (string, bool) {
	if root == "/" {
		return path, true
	}
	rel, ok := strings.CutPrefix(path, root)
	return rel, ok && (rel == "" || rel[0] == '/')
}

// readText returns a small file's content, "" when it cannot be read.
func readText(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(data)
}

// startTime returns when the kernel started a process, in clock ticks since the
// machine was; 0 when there is no such process, or the system does not say.
func startTime(pid int) uint64 {
	return parseStartTime(readText("/proc/" + strconv.Itoa(pid) + "/stat"))
}

// parseStartTime reads field 22 of /proc/PID/stat. The second field is the
// program's name in parentheses and may itself contain any.
func parseStartTime(stat string) uint64 {
	i := strings.LastIndexByte(stat, ')')
	if i < 0 {
		return 0
	}
	fields := strings.Fields(stat[i+1:])
	if len(fields) < 20 {
		return 0
	}
	n, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return 0
	}
	return n
}
