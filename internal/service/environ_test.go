package service

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"teal"
)

func TestEnvironmentIsCleanAndLayered(t *testing.T) {
	t.Parallel()
	server := map[string]string{"PATH": "/opt/bin", "HOME": "/home/teal", "TZ": "UTC", "TMPDIR": "/of/the/server", "TEAL_TOKEN": "secret", "AWS_SECRET_ACCESS_KEY": "secret"}
	lookup := func(name string) (string, bool) { v, ok := server[name]; return v, ok }
	got := environment(lookup,
		map[string]string{"STAGE": "prod", "HOME": "/data", "TEAL_APP": "forged", "PORT": "1"},
		map[string]string{"TEAL_APP": "shop"}, "/work/tmp", 4000)
	want := map[string]string{
		"PATH": "/opt/bin", "HOME": "/data", "LANG": "C.UTF-8", "TZ": "UTC", "HOST": "127.0.0.1",
		"STAGE": "prod", "TEAL_APP": "shop", "PORT": "4000", "TMPDIR": "/work/tmp",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	list := strings.Join(pairs(got), " ")
	if want := "HOME=/data HOST=127.0.0.1 LANG=C.UTF-8 PATH=/opt/bin PORT=4000 STAGE=prod TEAL_APP=shop TMPDIR=/work/tmp TZ=UTC"; list != want {
		t.Errorf("got %s, want %s", list, want)
	}
}

func TestFindProgram(t *testing.T) {
	t.Parallel()
	dir, bin := t.TempDir(), t.TempDir()
	write := func(folder, name string, mode os.FileMode) string {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	web, plain, tool := write(dir, "web", 0o755), write(dir, "plain", 0o644), write(bin, "tool", 0o755)
	cases := []struct{ command, path, want, problem string }{
		{"./web", bin, web, ""},
		{web, "", web, ""},
		{"tool", "/nowhere" + string(filepath.ListSeparator) + bin, tool, ""},
		{"./plain", bin, "", "it is not executable (chmod +x)"},
		{plain, bin, "", "it is not executable"},
		{"./missing", bin, "", "there is no such file; it is looked for in the folder that the service's code names"},
		{"./.", bin, "", "it is a folder"},
		{"web", bin, "", `was not found in PATH (` + bin + `); to run the one in the service's code, write "./web"`},
		{"ruby", bin, "", "install it, or name it with its path"},
		{"web", dir + "x:.", "", "was not found in PATH"},
	}
	for _, c := range cases {
		got, err := findProgram(c.command, dir, c.path)
		if got != c.want || (err == nil) != (c.problem == "") {
			t.Errorf("%s: got %q, %v", c.command, got, err)
		}
		if c.problem != "" && (!strings.Contains(err.Error(), c.problem) || !teal.IsCode(err, teal.CodeInvalidInput)) {
			t.Errorf("%s: %v does not say %q", c.command, err, c.problem)
		}
	}
}

func TestTailIsBounded(t *testing.T) {
	t.Parallel()
	var kept tail
	for range 1000 {
		kept.add("stdout", "old")
	}
	for range tailLines {
		kept.add("stdout", strings.Repeat("é", 10_000))
	}
	lines := strings.Split(kept.String(), "\n")
	if len(lines) != tailLines {
		t.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines {
		if line != strings.Repeat("é", tailWidth/2)+"…" {
			t.Fatalf("%d bytes: %q", len(line), line)
		}
	}
}

func TestTailKeepsErrorsFromAChattyProgram(t *testing.T) {
	t.Parallel()
	var kept tail
	for i := range 15 {
		kept.add("stderr", fmt.Sprintf("e%d", i))
	}
	for i := range 100 {
		kept.add("stdout", fmt.Sprintf("o%d", i))
	}
	want := "e5 e6 e7 e8 e9 e10 e11 e12 e13 e14 o90 o91 o92 o93 o94 o95 o96 o97 o98 o99"
	if got := strings.ReplaceAll(kept.String(), "\n", " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
