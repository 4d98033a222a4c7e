package meter

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"teal"
)

// Bounds of what is kept of errors.
const (
	maxGroups   = 256
	messageSize = 1 << 10
	stackSize   = 4 << 10
)

// errorGroups are the sorts of errors that a version has had. The zero value has
// none. Looking up a known sort takes no lock.
type errorGroups struct {
	known atomic.Pointer[map[fingerprint]teal.ErrorGroup] // never changed, only replaced
	full  atomic.Bool                                     // there were more than fit
	mu    sync.Mutex                                      // writers
}

// note keeps the error if it is of a new sort.
func (e *errorGroups) note(component string, s *Sample) {
	print := fingerprintOf(component, s)
	if known := e.known.Load(); known != nil {
		if _, ok := (*known)[print]; ok {
			return
		}
		if e.full.Load() {
			return
		}
	}
	e.add(print, component, s)
}

func (e *errorGroups) add(print fingerprint, component string, s *Sample) {
	e.mu.Lock()
	defer e.mu.Unlock()
	next := map[fingerprint]teal.ErrorGroup{}
	if known := e.known.Load(); known != nil {
		if _, ok := (*known)[print]; ok {
			return
		}
		next = maps.Clone(*known)
	}
	if len(next) >= maxGroups {
		e.full.Store(true)
		return
	}
	next[print] = describe(print, component, s)
	e.known.Store(&next)
}

// describe returns the group of a first error.
func describe(print fingerprint, component string, s *Sample) teal.ErrorGroup {
	g := teal.ErrorGroup{Fingerprint: print.String(), Component: component}
	path, _, _ := strings.Cut(s.Path, "?") // a query may hold what nobody else should see
	switch {
	case s.Type != "" || s.Message != "":
		g.Type, g.Message = cmp.Or(s.Type, "error"), s.Message
		g.Stack = ends(strings.Join(s.Stack, "\n"), stackSize)
	case s.Status < 500:
		g.Type, g.Message = "broken answer", strings.TrimSpace(s.Method+" "+path)
	default:
		g.Type, g.Message = fmt.Sprintf("status %d", s.Status), strings.TrimSpace(s.Method+" "+path)
	}
	g.Type, g.Message = ends(g.Type, messageSize), ends(g.Message, messageSize)
	return g
}

// ends returns a copy of text that is valid UTF-8, without the middle of what is
// too long: some runtimes tell the cause first, others last.
func ends(text string, most int) string {
	const cut = " … "
	if len(text) > most {
		half := (most - len(cut)) / 2
		text = text[:half] + cut + text[len(text)-half:]
	}
	return strings.ToValidUTF8(strings.Clone(text), "")
}

// groups returns the sorts of errors; the caller must not change them.
func (e *errorGroups) groups() map[fingerprint]teal.ErrorGroup {
	if known := e.known.Load(); known != nil {
		return *known
	}
	return nil
}

// mayHave reports whether the version has had the sort of error, as far as is
// known: of a version that has had more sorts than fit, nothing can be ruled out.
func (e *errorGroups) mayHave(print fingerprint) bool {
	_, has := e.groups()[print]
	return has || e.full.Load()
}

// fingerprint is the same for errors of the same sort, in every version.
type fingerprint uint64

func (f fingerprint) String() string { return fmt.Sprintf("%016x", uint64(f)) }

// fingerprintOf tells sorts of errors apart: what a function said by its type and
// the top of its stack, or its message where it has no stack; anything else by
// its status and route. Numbers and identifiers do not count, so that line
// numbers, which differ between versions, do not either.
func fingerprintOf(component string, s *Sample) fingerprint {
	h := offset64
	h.text(component)
	if s.Type == "" && s.Message == "" {
		h.text(s.Route)
		h.byte(byte(s.Status / 100))
		h.byte(byte(s.Status % 100))
		return fingerprint(h)
	}
	h.text(s.Type)
	frames := topFrames(s.Stack)
	for _, frame := range frames {
		h.normal(frame, false)
	}
	if len(frames) == 0 {
		h.normal(s.Message, true)
	}
	return fingerprint(h)
}

// frameCount is how many frames tell two errors of one type apart.
const frameCount = 5

// topFrames returns the frames next to where an error was raised. Python tells
// them last, with their source in further lines; others first, and those of Node
// begin with "at".
func topFrames(stack []string) []string {
	python := func(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "File ") }
	node := func(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "at ") }
	const enough = 64
	frames := make([]string, 0, enough)
	switch {
	case slices.ContainsFunc(stack, python):
		for i := len(stack) - 1; i >= 0 && len(frames) < frameCount; i-- {
			if line, _, _ := strings.Cut(strings.TrimSpace(stack[i]), "\n"); python(line) {
				frames = append(frames, line)
			}
		}
	case slices.ContainsFunc(stack, node):
		for _, line := range stack[:min(len(stack), enough)] {
			if node(line) && len(frames) < frameCount {
				frames = append(frames, strings.TrimSpace(line))
			}
		}
	default:
		return stack[:min(len(stack), frameCount)]
	}
	return frames
}

// hash is FNV-1a, which is the same in every process.
type hash uint64

const (
	offset64 hash = 14695981039346656037
	prime64  hash = 1099511628211
)

func (h *hash) byte(b byte) { *h = (*h ^ hash(b)) * prime64 }

// text adds a string, with an end so that two are never one.
func (h *hash) text(s string) {
	for i := range len(s) {
		h.byte(s[i])
	}
	h.byte(0xff)
}

// normal adds a string without what is different each time: numbers,
// identifiers, addresses, and, with quoted, what stands in quotes.
func (h *hash) normal(s string, quoted bool) {
	s = s[:min(len(s), messageSize)]
	for i := 0; i < len(s); {
		end := wordEnd(s, i)
		switch {
		case end > i:
			h.word(s[i:end])
		case quoted && strings.IndexByte("'\"`", s[i]) >= 0 && strings.IndexByte(s[i+1:], s[i]) >= 0:
			end = i + 2 + strings.IndexByte(s[i+1:], s[i])
			h.text("''")
		default:
			end = i + 1
			h.byte(s[i])
		}
		i = end
	}
	h.byte(0xff)
}

// wordEnd returns the end of the word that begins at i: letters, digits, and what
// joins them in identifiers. An apostrophe within a word does not begin a
// quotation.
func wordEnd(s string, i int) int {
	for start := i; i < len(s); i++ {
		c := s[i]
		joins := c == '-' || c == '_' || c == '\'' && i > start && i+1 < len(s) && letter(s[i+1])
		if !letter(c) && !digit(c) && !joins {
			break
		}
	}
	return i
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80 }
func digit(c byte) bool  { return c >= '0' && c <= '9' }
func hexes(c byte) bool  { return digit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' || c == '-' }

// word adds a word: an identifier as a number sign, any other with a number sign
// in place of its number.
func (h *hash) word(w string) {
	runs, hexOnly := 0, true
	for i := range len(w) {
		if digit(w[i]) && (i == 0 || !digit(w[i-1])) {
			runs++
		}
		hexOnly = hexOnly && hexes(w[i])
	}
	const identifier = 8
	if runs > 1 || runs == 1 && hexOnly && len(w) >= identifier {
		h.byte('#')
		return
	}
	for i := range len(w) {
		switch {
		case !digit(w[i]):
			h.byte(w[i])
		case i == 0 || !digit(w[i-1]):
			h.byte('#')
		}
	}
}
