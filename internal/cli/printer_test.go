package cli

import "testing"

func TestTame(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext\nżółć ✓":                "plain\ttext\nżółć ✓",
		"\x1b[1;31mred\x1b[0m":               "\x1b[1;31mred\x1b[0m",
		"\x1b[31mred":                        "\x1b[31mred\x1b[0m",
		"\x1b[8mgone":                        `"\x1b[8m"gone`,
		"a\u202eb":                           `a\x202eb`,
		"\x1b[2J\x1b[H":                      `\x1b[2J\x1b[H`,
		"\x1b]0;title\x07":                   `\x1b]0;title\x07`,
		"windows\r\n":                        "windows\n",
		"c1 \u009b2J, delete \x7f, \x00\x08": `c1 \x9b2J, delete \x7f, \x00\x08`,
	} {
		if got := escapeControls(in); got != want {
			t.Errorf("tame(%q) = %q, want %q", in, got, want)
		}
	}
}
