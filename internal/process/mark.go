package process

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"
	"syscall"
	"time"
)

// mark is what a process and all that it starts have in common, wherever they go:
// the number of its Runner and its own number there. A new session, another group
// and a dead parent do not take it away. 0 is none.
type mark uint64

// runnerShift leaves 31 bits to a Runner, so that no mark is "unlimited".
const runnerShift = 32

func newMarks() mark {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails: it ends the program instead
	return mark(binary.NativeEndian.Uint32(random[:])>>1|1) << runnerShift
}

// of returns the mark of a Runner's process.
func (m mark) of(seq int64) mark { return m | mark(uint32(seq)) }

// runner returns the part that all processes of a Runner have in common.
func (m mark) runner() mark { return m >> runnerShift << runnerShift }

func marksLine(m mark) string { return fmt.Sprintf("marks %x\n", uint64(m.runner())) }

func parseMarks(text string) (mark, error) {
	n, err := strconv.ParseUint(text, 16, 63)
	if m := mark(n); err == nil && m != 0 && m == m.runner() {
		return m, nil
	}
	return 0, fmt.Errorf("guard: %q is not the mark of a server", text)
}

// endMarked kills the processes whose marks are chosen until there are none, for
// at most patience: one may just be starting another. It reports whether there
// are none.
func endMarked(chosen func(mark) bool, patience time.Duration) bool {
	deadline := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		left := marked(chosen)
		if len(left) == 0 {
			return true
		}
		for _, pid := range left {
			send(pid, syscall.SIGKILL)
		}
		if time.Now().After(deadline) {
			return false
		}
		<-time.After(pause)
	}
}
