package service

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	tailLines  = 20
	tailErrors = 10  // of these, lines of stderr that a chatty stdout cannot push out
	tailWidth  = 512 // bytes kept of one line
)

// tail keeps the last lines that an instance has written, over its restarts.
type tail struct {
	mu             sync.Mutex
	written        int
	stdout, stderr []line
}

type line struct {
	number int
	text   string
}

func (t *tail) add(stream, text string) {
	if len(text) > tailWidth {
		cut := tailWidth
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "…"
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.written++
	lines := &t.stdout
	if stream == "stderr" {
		lines = &t.stderr
	}
	if len(*lines) == tailLines {
		*lines = append((*lines)[:0], (*lines)[1:]...)
	}
	*lines = append(*lines, line{t.written, strings.Clone(text)})
}

// String returns the last lines of both streams, in the order they came.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	sure := last(t.stderr, tailErrors)
	rest := slices.Concat(t.stdout, t.stderr[:len(t.stderr)-len(sure)])
	byNumber := func(a, b line) int { return cmp.Compare(a.number, b.number) }
	slices.SortFunc(rest, byNumber)
	lines := slices.Concat(last(rest, tailLines-len(sure)), sure)
	slices.SortFunc(lines, byNumber)
	texts := make([]string, len(lines))
	for i, l := range lines {
		texts[i] = l.text
	}
	return strings.Join(texts, "\n")
}

func last(lines []line, n int) []line { return lines[max(0, len(lines)-n):] }
