package service

import (
	"fmt"
	"os"
	"path/filepath"
)

// place is where one life of an instance takes place: its working directory, and a
// folder for what it writes that nobody else needs. Both are new in every life, so
// that nothing of the last one, such as a file with its process ID, is in the way.
type place struct {
	home string // both are below it; "" is none
	code string
	tmp  string
}

// settle makes the place for a life of an instance.
func (s *Set) settle(sl *slot) (place, error) {
	if s.cfg.WorkDir == "" {
		return place{code: s.cfg.Dir}, nil
	}
	home := filepath.Join(s.cfg.WorkDir, sl.name)
	p := place{home: home, code: s.cfg.Dir, tmp: filepath.Join(home, "tmp")}
	if err := removeAll(home); err != nil { // of a life that could not be cleared away
		return place{}, fmt.Errorf("its folder cannot be emptied: %w", err)
	}
	if err := os.MkdirAll(p.tmp, 0o700); err != nil {
		return place{}, fmt.Errorf("its folder cannot be made: %w", err)
	}
	if s.cfg.Service.Writable {
		p.code = filepath.Join(home, "code")
		if err := os.CopyFS(p.code, os.DirFS(s.cfg.Dir)); err != nil {
			return place{}, fmt.Errorf("its copy of the code cannot be made: %w", err)
		}
	}
	return p, nil
}

// clear removes the place.
func (s *Set) clear(p place) {
	if err := removeAll(p.home); err != nil {
		s.cfg.Logger.Warn("an instance's folder could not be removed", "folder", p.home, "error", err)
	}
}

// removeAll deletes a folder, also where the program has left folders in it that
// may not be written to. "" is none.
func removeAll(folder string) error {
	if folder == "" || os.RemoveAll(folder) == nil {
		return nil
	}
	_ = filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o700)
		}
		return err
	})
	return os.RemoveAll(folder)
}
