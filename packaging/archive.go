package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// entry is one of a tar archive.
type entry struct {
	path string // relative; a folder ends in /
	data []byte
	mode int64
	user int
}

// archive returns a tar of entries, in the order of their paths and with the time of
// the release.
func (r release) archive(entries []entry) ([]byte, error) {
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.path, b.path) })
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		header := &tar.Header{Name: e.path, Mode: e.mode, Size: int64(len(e.data)), ModTime: r.date, Uid: e.user, Gid: e.user, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if strings.HasSuffix(e.path, "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.data); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return out.Bytes(), err
}

// tarball holds the program and what goes with it, in a folder of their name.
func tarball(out string, r release, list []file) (string, error) {
	name := fmt.Sprintf("teal-%s-linux-%s", r.version, r.arch)
	var entries []entry
	for _, f := range list {
		data, err := os.ReadFile(f.source)
		if err != nil {
			return "", err
		}
		entries = append(entries, entry{path: name + "/" + inTarball(f.path), data: data, mode: int64(f.mode)})
	}
	plain, err := r.archive(entries)
	if err != nil {
		return "", err
	}
	packed, err := compressed(plain)
	if err != nil {
		return "", err
	}
	path := filepath.Join(out, name+".tar.gz")
	return path, os.WriteFile(path, packed, 0o644)
}

// inTarball returns where a file that is installed at path is found: the program on
// top, the rest as it would lie below /usr/local.
func inTarball(path string) string {
	if path == "/usr/bin/teal" {
		return "teal"
	}
	return strings.TrimPrefix(strings.TrimPrefix(path, "/usr/"), "/")
}
