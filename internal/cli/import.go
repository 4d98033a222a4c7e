package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/artifact"
	"teal/internal/describe"
	"teal/internal/importer"
	"teal/internal/manifest"
	"teal/internal/yamltree"
)

// imported is what import writes with --json.
type imported struct {
	App       string              `json:"app"`
	Files     []string            `json:"files"`
	Manifest  string              `json:"manifest,omitempty"` // with --out -
	Functions []string            `json:"functions"`
	Routes    int                 `json:"routes"`
	Variables []importer.Variable `json:"variables"`
	LeftOut   []importer.Remark   `json:"left_out"`
	Changed   []importer.Remark   `json:"changed"`
	Todo      []string            `json:"todo,omitempty"` // what stands between the result and a deploy
}

func (s *session) importCommand() *cobra.Command {
	return group("import", "Write the teal.yaml that does what another tool's file does",
		s.importFrom("sam", "template.yaml", "Write a teal.yaml for an AWS SAM template", importer.SAM),
		s.importFrom("serverless", "serverless.yml", "Write a teal.yaml for a serverless.yml", importer.Serverless),
	)
}

// importOptions say where an import goes.
type importOptions struct {
	app, out string
	force    bool
}

func (s *session) importFrom(name, example, short string, read func(importer.Source) (importer.Result, error)) *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   name + " FILE",
		Short: short,
		Long: fmt.Sprintf("Reads FILE, such as %s, and writes a teal.yaml beside it. What Teal has nothing for is left\n"+
			"out and listed with its line and the reason. Nothing is asked of AWS.", example),
		Args: arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error { return s.importFile(args[0], o, read) },
	}
	cmd.Flags().StringVar(&o.app, "app", "", "name of the app (default: the service's or the folder's)")
	cmd.Flags().StringVar(&o.out, "out", "", "file to write, - for the standard output (default: teal.yaml beside FILE)")
	cmd.Flags().BoolVar(&o.force, "force", false, "overwrite files that exist")
	return cmd
}

func (s *session) importFile(file string, o importOptions, read func(importer.Source) (importer.Result, error)) error {
	data, err := readSource(file)
	if err != nil {
		return err
	}
	if o.out == "" {
		o.out = filepath.Join(filepath.Dir(file), manifest.FileName)
	}
	source := importer.Source{File: file, Data: data, App: o.app, Folder: nameOf(filepath.Dir(file))}
	if o.app != "" {
		if err := teal.CheckName("app", o.app); err != nil {
			return err
		}
	}
	if o.out != "-" {
		if source.Base, err = wayFrom(filepath.Dir(o.out), filepath.Dir(file)); err != nil {
			return err
		}
	}
	if isOneFile(file, o.out) {
		return teal.Errorf(teal.CodeInvalidInput, "%s is what is imported; write elsewhere with --out", file)
	}
	result, err := read(source)
	if err != nil {
		return err
	}
	return s.importResult(file, result, o)
}

// isOneFile reports whether two names lead to one file that there is.
func isOneFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// importResult writes what was made of a file and says what it is.
func (s *session) importResult(file string, result importer.Result, o importOptions) error {
	out := imported{
		App: result.App, Files: []string{}, Functions: result.Functions, Routes: result.Routes,
		Variables: orNone(result.Variables), LeftOut: orNone(result.LeftOut), Changed: orNone(result.Changed),
	}
	if o.out == "-" {
		out.Manifest = string(result.Manifest)
		if !s.json {
			if _, err := s.out.Write(result.Manifest); err != nil {
				return err
			}
			s.tell(out, file, func(format string, args ...any) {
				_, _ = fmt.Fprintln(s.env.Stderr, escapeControls(fmt.Sprintf(format, args...)))
			})
			return nil
		}
		s.show(out, nil)
		return nil
	}
	files := []newFile{{o.out, result.Manifest}}
	if result.Ignore != nil {
		files = append(files, newFile{filepath.Join(filepath.Dir(file), artifact.IgnoreFile), result.Ignore})
	}
	if err := writeAll(files, o.force); err != nil {
		return err
	}
	for _, f := range files {
		out.Files = append(out.Files, f.name)
	}
	out.Todo = s.todo(o.out)
	s.show(out, func() { s.tell(out, file, s.out.line) })
	return nil
}

func orNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// tell says what was made, what is to be set, and what was left out.
func (s *session) tell(out imported, file string, line func(format string, args ...any)) {
	for _, name := range out.Files {
		line("wrote %s", name)
	}
	line("app %s with %s (%s) and %s", out.App, describe.Count(len(out.Functions), "function"), strings.Join(out.Functions, ", "), describe.Count(out.Routes, "route"))
	remarks := func(title string, list []importer.Remark) {
		if len(list) > 0 {
			line("%s", title)
		}
		for _, r := range list {
			line("  %s:%d: %s: %s", filepath.Base(file), r.Line, r.Path, r.Reason)
		}
	}
	if len(out.Variables) > 0 {
		line("to deploy it, set these variables, or name a file that has them with --env-file:")
	}
	for _, v := range out.Variables {
		line("  %s, which stands for %s (line %d)", v.Name, v.From, v.Line)
	}
	remarks("taken, with a difference:", out.Changed)
	remarks("left out:", out.LeftOut)
	if len(out.Todo) > 0 {
		line("before it can be deployed:")
	}
	for _, todo := range out.Todo {
		line("  %s", todo)
	}
}

// todo says what still keeps a manifest from being deployed: code that is not there.
func (s *session) todo(file string) []string {
	_, err := manifest.Load(file, manifest.Variables{MayMiss: true})
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

// readSource reads a file of another tool's.
func readSource(file string) (data []byte, err error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, teal.Errorf(teal.CodeInvalidInput, "%s cannot be read: %w", file, err)
	case info.IsDir():
		return nil, teal.Errorf(teal.CodeInvalidInput, "%s is a folder; name the file in it", file)
	case !info.Mode().IsRegular():
		return nil, teal.Errorf(teal.CodeInvalidInput, "%s is not a regular file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, teal.Errorf(teal.CodeInvalidInput, "%s cannot be read: %w", file, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if data, err = io.ReadAll(io.LimitReader(f, yamltree.MaxSize+1)); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return data, nil
}

// wayFrom returns the way from one folder to another, with slashes; "" when they are the
// same.
func wayFrom(from, to string) (string, error) {
	absFrom, errFrom := filepath.Abs(from)
	absTo, errTo := filepath.Abs(to)
	way, err := filepath.Rel(absFrom, absTo)
	if err := errors.Join(errFrom, errTo, err); err != nil {
		return "", fmt.Errorf("the way from %s to %s: %w", from, to, err)
	}
	if way == "." {
		return "", nil
	}
	return filepath.ToSlash(way), nil
}

// newFile is a file to write.
type newFile struct {
	name string
	data []byte
}

// writeAll writes all files or, when one of them exists and may not be overwritten, none.
func writeAll(files []newFile, force bool) error {
	for _, f := range files {
		info, err := os.Lstat(f.name)
		switch {
		case err != nil:
		case !force:
			return teal.Errorf(teal.CodeExists, "%s already exists; nothing was written. Write elsewhere with --out, or over it with --force", f.name)
		case !info.Mode().IsRegular():
			return teal.Errorf(teal.CodeExists, "%s is not a regular file; nothing was written", f.name)
		}
	}
	for _, f := range files {
		if !force {
			if err := writeNew(f.name, f.data); err != nil {
				return err
			}
			continue
		}
		if err := os.WriteFile(f.name, f.data, 0o644); err != nil {
			return teal.Errorf(teal.CodeInvalidInput, "the file cannot be written: %w", err)
		}
	}
	return nil
}
