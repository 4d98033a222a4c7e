package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The commands of the README work as they are pasted, and print what it shows; only
// times, sizes, places and what is measured differ. Seen red with a sentence of the README changed.
func TestReadme(t *testing.T) {
	defer contained(t)
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t)
	s.program = built.cli
	s.start()
	temp := t.TempDir()
	blocks := regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	for _, block := range blocks[1:] { // the first one builds and starts what runs already
		commands := commandsOf(block[1])
		for i, command := range commands {
			if strings.Contains(command.line, "FAIL_PERCENT") { // from here on it needs minutes of traffic
				commands = commands[:i]
				break
			}
		}
		said := s.paste(temp, commands)
		for i, command := range commands {
			if want := normal(s, command.shows); !strings.HasPrefix(normal(s, said[i]), want) || want == "" && said[i] != "" {
				t.Errorf("$ %s\nprints\n%s\nthe README shows\n%s", command.line, said[i], command.shows)
			}
		}
	}
}

// shown is a command of a page, and what the page says that it prints; up to a line
// that says that there is more.
type shown struct{ line, shows string }

func commandsOf(block string) []shown {
	var list []shown
	more := false
	for line := range strings.Lines(block) {
		switch command, is := strings.CutPrefix(line, "$ "); {
		case is:
			list, more = append(list, shown{line: strings.TrimSpace(command)}), false
		case more || strings.TrimSpace(line) == "…":
			more = true
		default:
			list[len(list)-1].shows += line
		}
	}
	return list
}

// paste runs commands one after the other in one shell, in the project's folder,
// and returns what each has printed.
func (s *server) paste(temp string, commands []shown) []string {
	s.t.Helper()
	var script strings.Builder
	for _, command := range commands {
		fmt.Fprintf(&script, "status=$?; echo @@@; (exit $status)\n%s\n", command.line)
	}
	text := strings.NewReplacer("localhost:8080", s.addr("http.addr"), "/tmp/", temp+"/", "curl ", "curl -s ", "export PATH=", "export UNUSED=").Replace(script.String())
	shell := exec.Command("bash", "-c", text)
	shell.Dir = filepath.Join("..", "..")
	shell.Env = append(cleanEnv(), "TEAL_DATA="+s.data, "USER=ann", "TZ=UTC", "PATH="+built.dir+":"+os.Getenv("PATH"))
	out, err := shell.CombinedOutput()
	if err != nil {
		s.t.Errorf("%v\n%s", err, out)
	}
	parts := strings.Split(strings.ReplaceAll(string(out), "@@@\n", "\n@@@\n"), "\n@@@\n")
	if len(parts) != len(commands)+1 {
		s.t.Fatalf("%d commands print\n%s", len(commands), out)
	}
	return parts[1:]
}

var differs = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`), "TIME"},
	{regexp.MustCompile(`\b\d\d:\d\d\b`), "TIME"},
	{regexp.MustCompile(`Date: [^\n]*`), "DATE"},
	{regexp.MustCompile(`(?m)^ +v\d+ +hello .*$`), "FIGURES"}, // of the last minute
	{regexp.MustCompile(`\b[0-9.]+ (ms|s)\b`), "DURATION"},
	{regexp.MustCompile(`uploaded [0-9.]+ k?B`), "SIZE"},
	{regexp.MustCompile(`sha256-[0-9a-f]+…?`), "DIGEST"},
	{regexp.MustCompile(`\r`), ""},
	{regexp.MustCompile(`[ \t]+`), " "},
	{regexp.MustCompile(`\n{2,}`), "\n"},
}

// normal takes out of a text what differs from one run to the next.
func normal(s *server, text string) string {
	text = strings.NewReplacer("/root/.local/share/teal", "DATA", s.data, "DATA").Replace(text)
	for _, d := range differs {
		text = d.pattern.ReplaceAllString(text, d.by)
	}
	return strings.TrimSpace(text)
}
