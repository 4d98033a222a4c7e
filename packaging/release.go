package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// release is one program that has been built, and what it was built from.
type release struct {
	source  string // a clone of the repository, with nothing but the commit
	arch    string
	version string    // without the v
	date    time.Time // of the commit
}

// checkOut clones the repository that this runs in: what is not committed is in no
// package, and a work tree of git's, from which Go cannot tell the commit, will do.
func checkOut(to string) error {
	if out, err := exec.Command("git", "clone", "--quiet", "--shared", ".", to).CombinedOutput(); err != nil {
		return fmt.Errorf("clone the repository: %w: %s", err, out)
	}
	if out, err := exec.Command("git", "status", "--porcelain").Output(); err != nil || len(out) > 0 {
		fmt.Fprintln(os.Stderr, "packaging: what is not committed is in none of the packages")
	}
	return nil
}

// compile builds the program from a clone.
func compile(source, path, arch string) (release, error) {
	cmd := exec.Command("go", "build", "-buildvcs=true", "-trimpath", "-ldflags", "-s -w", "-o", path, "./cmd/teal")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOWORK=off", "GOFLAGS=")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return release{}, fmt.Errorf("build %s: %w", path, err)
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return release{}, err
	}
	r := release{source: source, arch: arch, version: strings.TrimPrefix(info.Main.Version, "v")}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.time" {
			if r.date, err = time.Parse(time.RFC3339, setting.Value); err != nil {
				return r, err
			}
		}
	}
	if r.version == "" || r.date.IsZero() {
		return r, fmt.Errorf("the program does not say what it was built from (version %q); build in a clone of the repository", r.version)
	}
	return r, nil
}
