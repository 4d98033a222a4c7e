package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	image1 "github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

var built, again string // folders with the packages of the same commit

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "teal-packages-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chdir(".."); err != nil {
		panic(err)
	}
	built, again = filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for _, out := range []string{built, again} {
		if err := build(out, runtime.GOARCH); err != nil {
			panic(err)
		}
	}
	return m.Run()
}

func TestTheSameCommitMakesTheSameFiles(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(built, "*"))
	if err != nil || len(paths) != 4 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		a, errA := os.ReadFile(path)
		b, errB := os.ReadFile(filepath.Join(again, filepath.Base(path)))
		if err := errors.Join(errA, errB); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s is another file the second time: %v", filepath.Base(path), err)
		}
	}
}

func of(t *testing.T, pattern string) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(built, pattern))
	if err != nil || len(paths) != 1 {
		t.Fatal(pattern, paths, err)
	}
	return paths[0]
}

// command runs a program that must be there and must not fail.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// What every package installs.
var parts = []string{
	"/usr/bin/teal", "/etc/teal/teal-server.yaml", "/usr/lib/systemd/system/teal.service", "/usr/lib/systemd/system/teal-http.socket",
	"/usr/lib/sysusers.d/teal.conf", "/usr/share/man/man1/teal-server.1.gz", "/usr/share/bash-completion/completions/teal",
	"/usr/share/zsh/vendor-completions/_teal", "/usr/share/fish/vendor_completions.d/teal.fish", "/usr/share/doc/teal/operations.md",
}

// dpkg installs, upgrades, removes and purges it, in a system of its own.
func TestTheDebInstalled(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can install a package, also in a folder")
	}
	root := t.TempDir()
	for path, text := range map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n", "var/lib/dpkg/status": "",
		"var/lib/teal/store/kept": "", "var/lib/dpkg/updates/.keep": "", "var/lib/dpkg/info/format": "1\n",
	} {
		put(t, filepath.Join(root, path), text)
	}
	// Its scripts run outside of the root, which has no shell, and are told where it is.
	dpkg := func(args ...string) {
		t.Helper()
		command(t, "dpkg", append([]string{"--root=" + root, "--force-script-chrootless", "--force-not-root", "--log=" + root + "/dpkg.log"}, args...)...)
	}
	exists := func(path string) bool {
		_, err := os.Stat(filepath.Join(root, path))
		return err == nil
	}
	dpkg("--install", of(t, "*.deb"))
	for _, path := range parts {
		if !exists(path) {
			t.Errorf("%s is not installed", path)
		}
	}
	if users := read(t, filepath.Join(root, "etc/passwd")); !strings.Contains(users, "\nteal:") || !strings.Contains(users, ":/var/lib/teal:") {
		t.Errorf("there is no user:\n%s", users)
	}
	if exists("etc/systemd/system/multi-user.target.wants") {
		t.Error("it is enabled, which nobody has asked for")
	}
	if said := command(t, filepath.Join(root, "usr/bin/teal"), "--version"); !strings.Contains(said, "(commit ") {
		t.Errorf("it does not say what it was built from: %s", said)
	}
	command(t, filepath.Join(root, "usr/bin/teal"), "server", "--config", filepath.Join(root, "etc/teal/teal-server.yaml"), "--check")

	settings := filepath.Join(root, "etc/teal/teal-server.yaml")
	put(t, settings, "http: \":7\"\n")
	dpkg("--install", of(t, "*.deb"))
	if kept := read(t, settings); kept != "http: \":7\"\n" {
		t.Errorf("an upgrade changes the settings: %q", kept)
	}
	dpkg("--remove", "teal")
	if exists("usr/bin/teal") || !exists("etc/teal/teal-server.yaml") || !exists("var/lib/teal/store/kept") {
		t.Error("remove leaves the program, or takes settings or data along")
	}
	dpkg("--purge", "teal")
	if exists("etc/teal") || exists("var/lib/teal") {
		t.Error("purge leaves settings or data")
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestTheRPM(t *testing.T) {
	list := command(t, "rpm", "--query", "--package", "--list", "--nosignature", of(t, "*.rpm"))
	for _, path := range parts {
		if !strings.Contains(list, path+"\n") {
			t.Errorf("%s is not in\n%s", path, list)
		}
	}
	if files := command(t, "rpm", "--query", "--package", "--configfiles", "--nosignature", of(t, "*.rpm")); files != "/etc/teal/teal-server.yaml\n" {
		t.Errorf("settings: %q", files)
	}
	command(t, "rpm", "--checksig", "--nosignature", of(t, "*.rpm"))
}

// Everything in the tarball can be read to its end.
func TestTheTarball(t *testing.T) {
	f, err := os.Open(of(t, "*.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	packed, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	names := ""
	for r := tar.NewReader(packed); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Fatal(header.Name, err)
		}
		names += header.Name + "\n"
	}
	for _, want := range []string{"/teal\n", "/etc/teal/teal-server.yaml\n", "/share/man/man1/teal.1.gz\n", "/lib/systemd/system/teal.service\n"} {
		if !strings.Contains(names, want) {
			t.Errorf("%q is not in\n%s", want, names)
		}
	}
}

// The image is whole, and its program runs in its file system with nothing else there.
func TestTheImage(t *testing.T) {
	img, err := image1.ImageFromPath(of(t, "*.image.tar"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(img); err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatal(layers, err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	root := t.TempDir()
	for r := tar.NewReader(content); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		at := filepath.Join(root, header.Name)
		if header.Typeflag == tar.TypeDir {
			err = os.MkdirAll(at, fs.FileMode(header.Mode))
		} else if data, readErr := io.ReadAll(r); readErr == nil {
			err = os.WriteFile(at, data, fs.FileMode(header.Mode))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if said := command(t, "chroot", root, "/usr/bin/teal", "--version"); !strings.HasPrefix(said, "teal ") {
		t.Error(said)
	}
	if roots := strings.Count(read(t, filepath.Join(root, "etc/ssl/certs/ca-certificates.crt")), "BEGIN CERTIFICATE"); roots < 50 {
		t.Errorf("%d certificate authorities", roots)
	}
}
