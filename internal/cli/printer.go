package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/charmbracelet/lipgloss"

	"teal"
	"teal/internal/api"
)

// printer writes results. The first error of writing is kept, and ends the
// command with an exit code of its own.
type printer struct {
	terminal bool

	bold, good, bad, faint lipgloss.Style

	mu        sync.Mutex // an upload reports from a goroutine of its own
	w         io.Writer
	err       error
	transient bool // the cursor is behind a line that is to be written over
}

func newPrinter(env Env) *printer {
	p := &printer{w: env.Stdout, terminal: env.Terminal}
	if p.terminal {
		r := lipgloss.NewRenderer(env.Stdout)
		p.bold = r.NewStyle().Bold(true)
		p.good = r.NewStyle().Foreground(lipgloss.Color("2"))
		p.bad = r.NewStyle().Foreground(lipgloss.Color("1"))
		p.faint = r.NewStyle().Faint(true)
	}
	return p
}

// paint applies a style on a terminal and nothing elsewhere: lipgloss would
// also touch tabs and trailing spaces.
func (p *printer) paint(style lipgloss.Style, text string) string {
	if !p.terminal {
		return text
	}
	return style.Render(text)
}

func (p *printer) write(text string, transient bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return
	}
	if p.transient {
		text = "\r\x1b[K" + text
	}
	p.transient = transient
	_, p.err = io.WriteString(p.w, text)
}

// Write writes text as it is, for what is meant for programs.
func (p *printer) Write(text []byte) (int, error) {
	p.write(string(text), false)
	return len(text), p.failed()
}

// line writes one line.
func (p *printer) line(format string, args ...any) {
	p.write(escapeControls(fmt.Sprintf(format, args...))+"\n", false)
}

// controlCharacters finds what a terminal obeys; colours come first, to be told from the
// rest.
var controlCharacters = regexp.MustCompile(`\x1b\[[0-9;]*m|[\x00-\x08\x0b-\x1f\x7f\x{80}-\x{9f}\x{202a}-\x{202e}\x{2066}-\x{2069}]`)

const (
	plainAgain = "\x1b[0m"
	concealed  = "8" // among the numbers of a colour: what follows is not shown
)

// escapeControls makes control characters visible, all but colours: much of what is shown
// was written by the components, and must not move a cursor, rename a window, hide
// anything, or colour what comes after it.
func escapeControls(text string) string {
	coloured := false
	text = controlCharacters.ReplaceAllStringFunc(text, func(found string) string {
		switch {
		case strings.HasSuffix(found, "m"):
			if slices.Contains(strings.Split(found[2:len(found)-1], ";"), concealed) {
				return fmt.Sprintf("%+q", found)
			}
			coloured = found != plainAgain
			return found
		case found == "\r":
			return ""
		}
		return fmt.Sprintf(`\x%02x`, []rune(found)[0])
	})
	if coloured {
		text += plainAgain
	}
	return text
}

// progress writes a line that the next one replaces; only on a terminal.
func (p *printer) progress(format string, args ...any) {
	if !p.terminal {
		return
	}
	p.write(fmt.Sprintf(format, args...), true)
}

// failed returns the first error of writing.
func (p *printer) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *printer) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = errors.Join(p.err, err)
}

// clear takes a transient line away.
func (p *printer) clear() {
	p.mu.Lock()
	transient := p.transient
	p.mu.Unlock()
	if transient {
		p.write("", false)
	}
}

// document writes v as the one JSON document.
func (p *printer) document(v any) {
	p.encode(v, "  ")
}

// record writes v as one line of JSON.
func (p *printer) record(v any) {
	p.encode(v, "")
}

func (p *printer) encode(v any, indent string) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	if err := encoder.Encode(v); err != nil {
		p.fail(err)
		return
	}
	p.write(b.String(), false)
}

// table writes rows in columns; the first one is the heading.
func (p *printer) table(rows [][]string) {
	var b strings.Builder
	columns := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		if _, err := fmt.Fprintln(columns, strings.Join(row, "\t")); err != nil {
			p.fail(err)
		}
	}
	if err := columns.Flush(); err != nil {
		p.fail(err)
	}
	for i, line := range strings.Split(strings.TrimRight(b.String(), "\n"), "\n") {
		line = strings.TrimRight(line, " ")
		if i == 0 {
			line = p.paint(p.bold, line)
		}
		p.line("%s", line)
	}
}

// show writes v with --json, else what human writes.
func (s *session) show(v any, human func()) {
	if s.json {
		s.out.document(v)
		return
	}
	human()
}

// say writes a line of progress for people.
func (s *session) say(format string, args ...any) {
	if !s.json {
		s.out.line(format, args...)
	}
}

// errorDocument is an error as --json writes it.
type errorDocument struct {
	Error struct {
		Code    teal.Code `json:"code"`
		Message string    `json:"message"`
	} `json:"error"`
	Release *api.ReleaseView `json:"release,omitempty"`
}

// report tells an error: as the one JSON document, or as text.
func (s *session) report(err error) {
	if errors.Is(err, errReported) {
		return
	}
	code, message := messageOf(err)
	if s.json {
		var c errorDocument
		c.Error.Code, c.Error.Message = code, message
		var failed *failure
		if errors.As(err, &failed) {
			c.Release = &failed.release
		}
		s.out.document(c)
		return
	}
	s.out.clear()
	// There is nobody left to tell when the standard error is gone too.
	_, _ = fmt.Fprintln(s.env.Stderr, "teal: "+escapeControls(message))
}

// messageOf returns what to tell about an error. A defect is told in full: this
// is the user's own machine.
func messageOf(err error) (teal.Code, string) {
	var own *teal.Error
	if errors.As(err, &own) {
		return own.Code, own.Message
	}
	return teal.CodeInternal, err.Error()
}
