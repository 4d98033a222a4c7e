package client

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func parse(t *testing.T, text string) []frame {
	t.Helper()
	var all []frame
	for f, err := range frames(strings.NewReader(text)) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

func TestFrames(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		in   string
		want []frame
	}{
		"one":                   {"id: 7\nevent: app\ndata: {}\n\n", []frame{{"7", "app", "{}"}}},
		"line ends of Windows":  {"id: 7\r\nevent: app\r\ndata: {}\r\n\r\n", []frame{{"7", "app", "{}"}}},
		"no space":              {"data:x\n\n", []frame{{"", "", "x"}}},
		"only one space":        {"data:  x\n\n", []frame{{"", "", " x"}}},
		"data of several lines": {"data: a\ndata: b\ndata\n\n", []frame{{"", "", "a\nb\n"}}},
		"comments":              {": hi\n\n:\n\ndata: x\n: in between\n\n", []frame{{"", "", "x"}}},
		"nothing to say":        {"event: app\n\nid: 1\n\n", nil},
		"the ID stays":          {"id: 1\ndata: a\n\ndata: b\n\n", []frame{{"1", "", "a"}, {"1", "", "b"}}},
		"an ID with a NUL":      {"id: 1\x00\ndata: a\n\n", []frame{{"", "", "a"}}},
		"cut off":               {"data: a\n\ndata: b\n", []frame{{"", "", "a"}}},
		"unknown fields":        {"retry: 5\nfoo: x\ndata: a\n\n", []frame{{"", "", "a"}}},
		"byte order mark":       {"\ufeffdata: a\n\n", []frame{{"", "", "a"}}},
		"empty":                 {"", nil},
	} {
		if diff := cmp.Diff(tt.want, parse(t, tt.in)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestFrameThatNeverEnds(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"one line":   "data: " + strings.Repeat("x", maxFrame),
		"many lines": strings.Repeat("data: "+strings.Repeat("x", 1<<20)+"\n", 17),
	} {
		var last error
		for _, err := range frames(strings.NewReader(text)) {
			last = err
		}
		if !errors.Is(last, errFrameTooLarge) {
			t.Errorf("%s: %v", name, last)
		}
	}
}

func FuzzFrames(f *testing.F) {
	for _, seed := range []string{"", "id: 7\nevent: app\ndata: {}\n\n", ": c\r\n\r\ndata\n\n", "data: a\ndata: b\n\n\n", "\ufeff\n", "id\x00:\n\ndata:x\n\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all := parse(t, text)
		// What was read, written out again, reads the same.
		var again strings.Builder
		for _, one := range all {
			if strings.ContainsAny(one.ID+one.Event+one.Data, "\r\x00") {
				return
			}
			again.WriteString("id: " + one.ID + "\nevent: " + one.Event + "\n")
			for line := range strings.SplitSeq(one.Data, "\n") {
				again.WriteString("data: " + line + "\n")
			}
			again.WriteString("\n")
		}
		if diff := cmp.Diff(all, parse(t, again.String())); diff != "" {
			t.Error(diff)
		}
	})
}
