package function

import (
	"strings"
	"sync"
)

// The last output that is kept of an instance.
const (
	tailLines = 20
	tailLine  = 512 // bytes of one line
)

// tail keeps the last lines of an instance's output.
type tail struct {
	mu    sync.Mutex
	lines [tailLines]string
	next  int
}

func (t *tail) add(line string) {
	if len(line) > tailLine {
		line = strings.ToValidUTF8(line[:tailLine], "") + "…"
	}
	t.mu.Lock()
	t.lines[t.next%tailLines] = line
	t.next++
	t.mu.Unlock()
}

// String returns the lines, oldest first.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for n := max(0, t.next-tailLines); n < t.next; n++ {
		lines = append(lines, t.lines[n%tailLines])
	}
	return strings.Join(lines, "\n")
}
