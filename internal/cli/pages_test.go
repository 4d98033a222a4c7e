package cli_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"teal/internal/cli"
)

// commandOnPage is a command of Teal as pages write it: behind a prompt, alone on the line
// of a block, or between backticks.
var commandOnPage = regexp.MustCompile("(?m)(?:^\\$ (?:sudo )?|^|`)teal ([a-z][^`\\n|&;>#]*)")

// Every command that a page tells to type exists, with its flags.
//
// Seen red with a command, one below another, and a flag that there are not.
func TestPagesNameCommandsThatExist(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, named := range commandOnPage.FindAllStringSubmatch(string(text), -1) {
			if strings.HasPrefix(named[1], "devel ") {
				continue // what a build says that it is
			}
			found++
			if wrong := unknown(strings.Fields(named[1])); wrong != "" {
				t.Errorf("%s: teal %s: there is no %s", filepath.Base(page), named[1], wrong)
			}
		}
	}
	if found < 50 {
		t.Errorf("found %d commands", found)
	}
}

// unknown returns the first word of a command that there is not; "" when it is one.
func unknown(words []string) string {
	command, rest, err := cli.Commands().Find(words)
	if err != nil || command.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") && rest[0] != "help" {
		return "such command"
	}
	for _, word := range rest {
		name, isFlag := strings.CutPrefix(strings.Trim(word, "[],.)"), "--")
		name, _, _ = strings.Cut(name, "=")
		if isFlag && name != "" && name != "help" && command.Flags().Lookup(name) == nil && command.InheritedFlags().Lookup(name) == nil {
			return "--" + name
		}
	}
	return ""
}
