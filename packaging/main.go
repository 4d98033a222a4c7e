// Command packaging builds what people install of Teal: .deb and .rpm packages, a
// tarball and a container image, for each architecture. It is a module of its own, so
// that its libraries are none of Teal's.
//
// The same commit makes the same files, to the bit: every time in them is the
// commit's, and nothing of this machine gets in.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	out := flag.String("out", "bin/packages", "folder for the packages")
	archs := flag.String("arch", "amd64,arm64", "architectures, as Go names them")
	flag.Parse()
	for arch := range strings.SplitSeq(*archs, ",") {
		if err := build(*out, arch); err != nil {
			fmt.Fprintln(os.Stderr, "packaging:", err)
			os.Exit(1)
		}
	}
}

// build makes all packages for an architecture in a folder.
func build(out, arch string) error {
	stage, err := os.MkdirTemp("", "teal-packaging-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	source := filepath.Join(stage, "source")
	if err := checkOut(source); err != nil {
		return err
	}
	r, err := compile(source, filepath.Join(stage, "teal"), arch)
	if err != nil {
		return err
	}
	files, err := r.files(stage)
	if err != nil {
		return err
	}
	for _, pack := range []func(string, release, []file) (string, error){deb, rpm, tarball, image} {
		path, err := pack(out, r, files)
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		fmt.Printf("%9d  %s\n", info.Size(), path)
	}
	return nil
}
