package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"teal/internal/cli"
	"teal/internal/systemd/unit"
)

// file is one that is installed.
type file struct {
	source   string // on this machine
	path     string // when it is installed
	mode     os.FileMode
	settings bool // a person's once it is there
}

// files returns everything that is installed; what is made for it is put into stage.
func (r release) files(stage string) ([]file, error) {
	list := []file{{source: filepath.Join(stage, "teal"), path: "/usr/bin/teal", mode: 0o755}}
	made := map[string][]byte{
		"/usr/lib/sysusers.d/teal.conf": unit.File(unit.Sysusers),
		"/etc/teal/" + unit.Settings:    unit.File(unit.Settings),
	}
	for _, name := range unit.Units {
		made["/usr/lib/systemd/system/"+name] = unit.File(name)
	}
	root := cli.Commands()
	if err := r.manPages(root, stage, made); err != nil {
		return nil, err
	}
	if err := completions(root, made); err != nil {
		return nil, err
	}
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md", "docs/operations.md", "docs/limits.md", "docs/gateway.md"} {
		data, err := os.ReadFile(filepath.Join(r.source, name))
		if err != nil {
			return nil, err
		}
		made["/usr/share/doc/teal/"+filepath.Base(name)] = data
	}
	for path, data := range made {
		source := filepath.Join(stage, strings.ReplaceAll(path, "/", "+"))
		if err := os.WriteFile(source, data, 0o644); err != nil {
			return nil, err
		}
		list = append(list, file{source: source, path: path, mode: 0o644, settings: strings.HasPrefix(path, "/etc/")})
	}
	return list, nil
}

// manPages adds a compressed page for each command.
func (r release) manPages(root *cobra.Command, stage string, made map[string][]byte) error {
	dir := filepath.Join(stage, "man")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	header := &doc.GenManHeader{Section: "1", Date: &r.date, Source: "Teal " + r.version, Manual: "Teal"}
	if err := doc.GenManTree(root, header, dir); err != nil {
		return err
	}
	pages, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, page := range pages {
		data, err := os.ReadFile(filepath.Join(dir, page.Name()))
		if err != nil {
			return err
		}
		packed, err := compressed(data)
		if err != nil {
			return err
		}
		made["/usr/share/man/man1/"+page.Name()+".gz"] = packed
	}
	return nil
}

// compressed has no name and no time in it.
func compressed(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}

// completions adds what shells look for.
func completions(root *cobra.Command, made map[string][]byte) error {
	var bash, zsh, fish bytes.Buffer
	if err := root.GenBashCompletionV2(&bash, true); err != nil {
		return err
	}
	if err := root.GenZshCompletion(&zsh); err != nil {
		return err
	}
	if err := root.GenFishCompletion(&fish, true); err != nil {
		return err
	}
	made["/usr/share/bash-completion/completions/teal"] = bash.Bytes()
	made["/usr/share/zsh/vendor-completions/_teal"] = zsh.Bytes()
	made["/usr/share/fish/vendor_completions.d/teal.fish"] = fish.Bytes()
	return nil
}
