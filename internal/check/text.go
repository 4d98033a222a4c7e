package check

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What is kept of texts, in bytes.
const (
	maxAsked   = 512
	maxSeen    = 1 << 10
	maxReason  = 512     // of what a stranger gives as a reason
	maxWhy     = 1000    // of a hook's later answer
	maxExcerpt = 200     // of a body, in a sentence
	maxOutput  = 4 << 10 // of a command's output or a body, below the sentence
)

// clip returns the beginning of a text, of at most limit bytes, without what a
// terminal would obey.
func clip(text string, limit int) string {
	whole := len(text) <= limit
	text = printable(text[:min(len(text), limit)])
	if whole && len(text) <= limit {
		return text
	}
	cut := min(len(text), limit-len("…"))
	for cut > 0 && cut < len(text) && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// printable replaces what is not UTF-8 and what a terminal would obey.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) && r != '\n' && r != '\t' {
			return '�'
		}
		return r
	}, text)
}

// line is clip on one line.
func line(text string, limit int) string {
	// What is cut before may be spaces alone, but not so many in what people read.
	return clip(strings.Join(strings.Fields(text[:min(len(text), 16*limit)]), " "), limit)
}

// displayURL returns an address without the secrets that it may hold: credentials,
// and what follows the path.
func displayURL(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "an address that cannot be read"
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}

// tail keeps the last bytes of what is written to it, from the beginning of a
// line where there is one. The zero value is ready; it is not safe for
// concurrent use.
type tail struct {
	kept []byte
	lost bool
}

func (t *tail) line(text string) {
	t.kept = append(append(t.kept, text...), '\n')
	// Twice the bound, so that a chatty command is not copied at every line.
	if len(t.kept) > 2*maxOutput {
		t.trim()
	}
}

func (t *tail) trim() {
	if over := len(t.kept) - maxOutput; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
		t.lost = true
	}
}

// String returns what is kept.
func (t *tail) String() string {
	t.trim()
	text := printable(strings.TrimRight(string(t.kept), "\n"))
	if !t.lost && len(text) <= maxOutput {
		return text
	}
	text = text[max(0, len(text)-(maxOutput-len("…\n"))):]
	if _, lines, found := strings.Cut(text, "\n"); found {
		return "…\n" + lines
	}
	// One long line: only a character that was cut is dropped.
	return "…\n" + strings.TrimLeftFunc(text, func(r rune) bool { return r == utf8.RuneError })
}
