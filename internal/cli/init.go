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
	"teal/internal/scaffold"
)

// initialised is what init writes with --json.
type initialised struct {
	App   string   `json:"app"`
	Files []string `json:"files"`
	Seen  string   `json:"seen,omitempty"`
	Todo  string   `json:"todo,omitempty"`
}

func (s *session) initCommand() *cobra.Command {
	var app string
	var upstreams []string
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a teal.yaml for the code in DIR",
		Long: "Looks at DIR (Procfile, package.json, Python and Go sources, bootstrap) and writes a teal.yaml\n" +
			"for it; if it recognizes nothing, a small app that works as it is. With --upstream, an app\n" +
			"in front of servers that run elsewhere.",
		Args: arguments(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			return s.init(dirArg(args), app, upstreams)
		},
	}
	cmd.Flags().StringVar(&app, "app", "", "name of the app (default: the folder's)")
	cmd.Flags().StringSliceVar(&upstreams, "upstream", nil, "an address such as http://10.0.0.7:9000; repeatable")
	return cmd
}

func (s *session) init(dir, name string, upstreams []string) error {
	if name == "" {
		name = nameOf(dir)
	}
	app, err := scaffold.Folder(os.DirFS(dir), name)
	if len(upstreams) > 0 {
		app, err = scaffold.Upstreams(name, upstreams)
	}
	if err != nil {
		return err
	}
	files := app.Files
	out := initialised{App: name, Files: []string{}, Seen: app.Seen, Todo: app.Todo}
	for _, file := range files {
		name := filepath.Join(dir, filepath.FromSlash(file.Path))
		if _, err := os.Lstat(name); err == nil {
			return teal.Errorf(teal.CodeExists, "%s already exists; nothing was written. Choose another folder", name)
		}
		out.Files = append(out.Files, name)
	}
	for i, file := range files {
		if err := writeNew(out.Files[i], file.Data); err != nil {
			return err
		}
	}
	s.show(out, func() {
		if app.Seen != "" {
			s.out.line("%s", app.Seen)
		}
		for _, name := range out.Files {
			s.out.line("wrote %s", name)
		}
		if app.Todo != "" {
			s.out.line("%s", app.Todo)
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
		return teal.Errorf(teal.CodeExists, "%s already exists; it was not overwritten", name)
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
