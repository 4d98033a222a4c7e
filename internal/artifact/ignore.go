package artifact

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// IgnoreFile is the file of a code folder that says what stays behind: patterns
// in the syntax of a .dockerignore, relative to the folder. It stays behind
// itself.
const IgnoreFile = ".tealignore"

// ignoredByDefault is what nobody means to ship. A line such as !.env in an
// IgnoreFile takes it back.
var ignoredByDefault = []string{"**/.env", "**/node_modules/.cache"}

// maxIgnore bounds an IgnoreFile, in bytes.
const maxIgnore = 64 << 10

// ignore tells what of a folder stays behind, and remembers what did.
// A nil one tells that everything goes.
type ignore struct {
	patterns *patternmatcher.PatternMatcher
	ignored  []string
}

// readIgnore reads the IgnoreFile of a folder, if it has one.
func readIgnore(root *os.Root) (*ignore, error) {
	patterns := ignoredByDefault
	f, err := root.Open(IgnoreFile)
	if err == nil {
		own, err := ignorefile.ReadAll(io.LimitReader(f, maxIgnore))
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, invalidf("%s cannot be read: %w", IgnoreFile, err)
		}
		patterns = append(append([]string{}, patterns...), own...)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, invalidf("%s cannot be read: %w", IgnoreFile, err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, invalidf("%s has a pattern that cannot be understood: %w", IgnoreFile, err)
	}
	return &ignore{patterns: matcher}, nil
}

// ignores reports whether p stays behind. A folder that does may still hold
// something that a later pattern takes back; skip says that it cannot.
func (i *ignore) ignores(p string, folder bool) (leave, skip bool, err error) {
	switch {
	case i == nil:
		return false, false, nil
	case folder && (p == ".git" || strings.HasSuffix(p, "/.git")):
		leave, skip = true, true
	case p == IgnoreFile:
		return true, false, nil
	default:
		if leave, err = i.patterns.MatchesOrParentMatches(p); err != nil {
			return false, false, invalidf("%s has a pattern that cannot be understood: %w", IgnoreFile, err)
		}
		skip = leave && !i.patterns.Exclusions()
	}
	if leave && (!folder || skip) {
		i.ignored = append(i.ignored, p)
	}
	return leave, folder && skip, nil
}
