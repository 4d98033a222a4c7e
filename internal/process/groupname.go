package process

import (
	"crypto/rand"
	"fmt"
	"os"
	"regexp"
	"strconv"
)

// groupName is the name of one process's cgroup:
// teal-NAME.PID-START-RUNNER.SEQ. PID and START, the time the kernel says PID
// was started, tell a server that lives from one that died and whose ID was
// given away again; RUNNER tells the Runners of one server from each other.
type groupName struct {
	server string
	pid    int
	start  uint64
	runner string
	seq    int64
}

// Lengths are checked apart: a count in the pattern makes every start of the
// program, and so every command, a millisecond longer.
var groupNamePattern = regexp.MustCompile(`^teal-([A-Za-z0-9_-]+)\.(\d+)-(\d+)-([A-Z2-7]+)\.(\d*)$`)

const runnerLength = 26 // of rand.Text

// newGroupName is the name of the cgroups of a new Runner, without a number.
func newGroupName(server string) groupName {
	return groupName{server: server, pid: os.Getpid(), start: startTime(os.Getpid()), runner: rand.Text()}
}

func (n groupName) prefix() string {
	return fmt.Sprintf("teal-%s.%d-%d-%s.", n.server, n.pid, n.start, n.runner)
}

// of reports whether n and o belong to one Runner.
func (n groupName) of(o groupName) bool { return n.prefix() == o.prefix() }

func (n groupName) dead() bool { return startTime(n.pid) != n.start }

// parseGroupName reads a name; one without a number, which is a prefix, has the
// number 0.
func parseGroupName(s string) (groupName, bool) {
	m := groupNamePattern.FindStringSubmatch(s)
	if m == nil || len(m[1]) > maxServerName || len(m[4]) != runnerLength {
		return groupName{}, false
	}
	pid, err := strconv.Atoi(m[2])
	if err != nil {
		return groupName{}, false
	}
	start, err := strconv.ParseUint(m[3], 10, 64)
	if err != nil {
		return groupName{}, false
	}
	seq := int64(0)
	if m[5] != "" {
		if seq, err = strconv.ParseInt(m[5], 10, 64); err != nil {
			return groupName{}, false
		}
	}
	return groupName{m[1], pid, start, m[4], seq}, true
}
