package console

import (
	"fmt"
	"html/template"
	"regexp"
	"strconv"
	"strings"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/describe"
)

// functions are what templates can call.
var functions = template.FuncMap{
	"time": timeElement, "timed": timed, "path": path, "version": func(number int) string { return teal.VersionName(number) },
	"percent": api.Percent, "rate": describe.Rate, "ms": describe.Milliseconds, "bytes": describe.Memory, "load": describe.Load,
	"count": describe.Count, "label": describe.Task, "phase": func(r api.ReleaseView) string { return describe.Phase(r) },
	"targets": teal.FormatTargets, "moves": describe.Moves, "verdict": verdictMark, "finding": describe.FindingName,
	"lines": func(text string) []string { return strings.Split(strings.TrimRight(text, "\n"), "\n") },
	"lower": strings.ToLower, "string": func(v any) string { return fmt.Sprint(v) },
}

// timeElement writes a time for people: the page's script shows it in the viewer's zone,
// and the server's stays in the title.
func timeElement(t time.Time) template.HTML {
	if t.IsZero() {
		return ""
	}
	t = t.Local()
	text := template.HTMLEscapeString(t.Format("2006-01-02 15:04:05"))
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s on the server">%s</time>`, //nolint:gosec // nothing of a stranger's
		t.UTC().Format(time.RFC3339Nano), template.HTMLEscapeString(t.Format("2006-01-02 15:04:05 MST")), text))
}

// marked stands for a time in a sentence until the sentence has been escaped.
var marked = regexp.MustCompile("\x01([0-9]{1,12})\x01")

// clock is what the sentences of package describe are given to write times with.
func clock(t time.Time) string { return fmt.Sprintf("\x01%d\x01", t.Unix()) }

// timed escapes a sentence and has its times shown in the viewer's zone.
func timed(sentence string) template.HTML {
	escaped := template.HTMLEscapeString(sentence)
	return template.HTML(marked.ReplaceAllStringFunc(escaped, func(m string) string { //nolint:gosec // escaped just now
		seconds, err := strconv.ParseInt(strings.Trim(m, "\x01"), 10, 64)
		if err != nil {
			return ""
		}
		return string(timeElement(time.Unix(seconds, 0)))
	}))
}

// mark is a word with a sign and a class: colour is never alone.
type mark struct{ Sign, Word, Class string }

func verdictMark(v teal.Verdict) mark {
	switch v {
	case teal.VerdictPass:
		return mark{"✓", "pass", "good"}
	case teal.VerdictFail:
		return mark{"✗", "fail", "bad"}
	case teal.VerdictError:
		return mark{"!", "error", "bad"}
	case teal.VerdictInconclusive:
		return mark{"?", "inconclusive", "unsure"}
	}
	return mark{"…", "running", "unsure"}
}
