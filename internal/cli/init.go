package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/manifest"
)

// initialised is what init writes with --json.
type initialised struct {
	App   string   `json:"app"`
	Files []string `json:"files"`
}

func (s *session) initCommand() *cobra.Command {
	var app string
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a small app that works as it is",
		Args:  arguments(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			return s.init(folder(args), app)
		},
	}
	cmd.Flags().StringVar(&app, "app", "", "name of the app; left out, that of the folder")
	return cmd
}

func (s *session) init(dir, app string) error {
	if app == "" {
		app = nameOf(dir)
	}
	files, err := manifest.Template(app)
	if err != nil {
		return err
	}
	out := initialised{App: app, Files: []string{}}
	for _, file := range files {
		name := filepath.Join(dir, filepath.FromSlash(file.Path))
		if _, err := os.Lstat(name); err == nil {
			return teal.Errorf(teal.CodeExists, "%s exists already and is left as it is; choose another folder", name)
		}
		out.Files = append(out.Files, name)
	}
	for i, file := range files {
		if err := writeNew(out.Files[i], file.Data); err != nil {
			return err
		}
	}
	s.show(out, func() {
		for _, name := range out.Files {
			s.out.line("wrote %s", name)
		}
		s.out.line("release it with `teal deploy %s`", dir)
	})
	return nil
}

// nameOf turns the name of a folder into one for an app; "hello" where nothing
// of it can be used.
func nameOf(dir string) string {
	full, err := filepath.Abs(dir)
	if err != nil {
		return "hello"
	}
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, strings.ToLower(filepath.Base(full)))
	name = strings.Trim(strings.TrimLeft(name, "-0123456789"), "-")
	if teal.CheckName("app", name) != nil {
		return "hello"
	}
	return name
}

// writeNew writes a file that must not exist.
func writeNew(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return teal.Errorf(teal.CodeInvalidInput, "the folder cannot be made: %w", err)
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return teal.Errorf(teal.CodeExists, "%s exists already and is left as it is", name)
	}
	if err != nil {
		return teal.Errorf(teal.CodeInvalidInput, "the file cannot be written: %w", err)
	}
	_, err = file.Write(data)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
