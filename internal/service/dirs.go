package service

import (
	"fmt"
	"os"
	"path/filepath"

	"teal/internal/removal"
)

// instanceDirs are the folders of one life of an instance: its working directory,
// and one for what it writes that nobody else needs. Both are new in every life, so
// that nothing of the last one, such as a file with its process ID, is in the way.
type instanceDirs struct {
	home string // both are below it; "" is none
	code string
	tmp  string
}

// makeDirs makes the folders for a life of an instance; what is there after an error
// is the caller's to remove, too.
func (s *Set) makeDirs(sl *slot) (instanceDirs, error) {
	if s.cfg.WorkDir == "" {
		return instanceDirs{code: s.cfg.Dir}, nil
	}
	home := filepath.Join(s.cfg.WorkDir, sl.name)
	d := instanceDirs{home: home, code: s.cfg.Dir, tmp: filepath.Join(home, "tmp")}
	if err := removal.Tree(home); err != nil { // of a life that could not be cleared away
		return instanceDirs{}, fmt.Errorf("its folder cannot be emptied: %w", err)
	}
	if err := os.MkdirAll(d.tmp, 0o700); err != nil {
		return d, fmt.Errorf("its folder cannot be made: %w", err)
	}
	if s.cfg.Service.Writable {
		d.code = filepath.Join(home, "code")
		if err := os.CopyFS(d.code, os.DirFS(s.cfg.Dir)); err != nil {
			return d, fmt.Errorf("its copy of the code cannot be made: %w", err)
		}
	}
	return d, nil
}

// removeDirs removes the folders when the life is over.
func (s *Set) removeDirs(d instanceDirs) {
	if err := removal.Tree(d.home); err != nil {
		s.cfg.Logger.Warn("an instance's folder could not be removed", "folder", d.home, "error", err)
	}
}
