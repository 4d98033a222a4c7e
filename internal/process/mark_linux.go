package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// rlimitLocks is RLIMIT_LOCKS: a limit that every process hands on to what it
// starts, and that the kernel has not looked at since Linux 2.4.
const rlimitLocks = 10

// inherited runs fork so that the child bears the mark from its first moment. It
// must be called with forking held. unmarked is why the child has no mark.
func (m mark) inherited(fork func() error) (unmarked, err error) {
	var before unix.Rlimit
	if unmarked = unix.Prlimit(0, rlimitLocks, nil, &before); unmarked != nil {
		return unmarked, fork()
	}
	own := unix.Rlimit{Cur: uint64(m), Max: before.Max}
	if m == 0 {
		own.Cur = before.Max
	}
	if unmarked = unix.Prlimit(0, rlimitLocks, &own, nil); unmarked != nil {
		return fmt.Errorf("RLIMIT_LOCKS cannot be set: %w", unmarked), fork()
	}
	err = fork()
	return unix.Prlimit(0, rlimitLocks, &before, nil), err
}

// marked returns the running processes with the marks that are chosen. It sees
// those of this program's user, and as root all. What this program has started
// itself is known to it, and not meant.
func marked(chosen func(mark) bool) (list []int) {
	for _, pids := range markedBy(chosen) {
		list = append(list, pids...)
	}
	return list
}

// markedBy is marked, for each mark.
func markedBy(chosen func(mark) bool) map[mark][]int {
	folder, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer closeQuietly(folder)
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return nil
	}
	adopts := adoptsOrphans()
	list := map[mark][]int{}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == os.Getpid() {
			continue
		}
		var limit unix.Rlimit
		if unix.Prlimit(pid, rlimitLocks, nil, &limit) != nil || limit.Cur == unix.RLIM_INFINITY || !chosen(mark(limit.Cur)) {
			continue
		}
		if state, parent := stateOf(pid); running(state) && (adopts || parent != os.Getpid()) {
			list[mark(limit.Cur)] = append(list[mark(limit.Cur)], pid)
		}
	}
	return list
}

// stateOf returns the letter of a process's state and its parent; "" when it is
// gone.
func stateOf(pid int) (state string, parent int) {
	stat := readText(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	relation, ok := parseStat(stat)
	if !ok {
		return "", 0
	}
	return strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])[0], relation.parent
}

// running reports whether a process in a state runs: one that waits to be reaped
// does not.
func running(state string) bool { return state != "" && state != "Z" && state != "X" }

func alive(pid int) bool {
	state, _ := stateOf(pid)
	return running(state)
}
