package unit

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"teal"
	"teal/internal/process"
)

// A system in a folder, with a user of its own.
func system(t *testing.T) Target {
	t.Helper()
	root := t.TempDir()
	put(t, filepath.Join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")
	put(t, filepath.Join(root, "etc/group"), "root:x:0:\n")
	put(t, filepath.Join(root, "program"), "a program")
	return Target{Root: root, Program: filepath.Join(root, "program")}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func carryOut(t *testing.T, steps []Step, err error) (says []string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		says = append(says, step.Says)
		if err := step.Do(t.Context()); err != nil {
			t.Fatalf("%s: %v", step.Says, err)
		}
	}
	return says
}

func TestInstallAndUninstall(t *testing.T) {
	t.Parallel()
	target := system(t)
	if _, err := exec.LookPath("useradd"); err != nil || os.Geteuid() != 0 {
		t.Skip("only root can make users, with useradd")
	}
	steps, err := target.Install()
	if said := carryOut(t, steps, err); len(said) != 6 {
		t.Errorf("%q", said)
	}
	service, err := os.ReadFile(filepath.Join(target.Root, unitDir, Service))
	if err != nil || !strings.Contains(string(service), "\nExecStart=/usr/local/bin/teal server --config /etc/teal/teal-server.yaml\n") {
		t.Errorf("%v %s", err, service)
	}
	users, err := os.ReadFile(filepath.Join(target.Root, "etc/passwd"))
	if err != nil || !strings.Contains(string(users), "\nteal:") || !strings.Contains(string(users), ":/var/lib/teal:/usr/sbin/nologin\n") {
		t.Errorf("%v %s", err, users)
	}
	info, err := os.Stat(filepath.Join(target.Root, installed))
	if err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("%v %v", info, err)
	}

	settings := filepath.Join(target.Root, settingsFile)
	put(t, settings, "http: \":7\"\n")
	steps, err = target.Install()
	if said := carryOut(t, steps, err); len(said) != 4 {
		t.Errorf("the second time: %q", said)
	}
	steps, err = target.Uninstall()
	carryOut(t, steps, err)
	kept, err := os.ReadFile(settings)
	if units, _ := os.ReadDir(filepath.Join(target.Root, unitDir)); err != nil || string(kept) != "http: \":7\"\n" || len(units) != 0 {
		t.Errorf("%q %v, units %v", kept, err, units)
	}
	if _, err = target.Uninstall(); !teal.IsCode(err, teal.CodeInvalidInput) {
		t.Errorf("uninstalled twice: %v", err)
	}
}

func TestAPackagedServiceIsLeftAlone(t *testing.T) {
	t.Parallel()
	target := system(t)
	put(t, filepath.Join(target.Root, "usr/lib/systemd/system", Service), "")
	if _, err := target.Install(); !teal.IsCode(err, teal.CodeInvalidInput) || !strings.Contains(err.Error(), "systemctl enable --now teal") {
		t.Error(err)
	}
}

// Systemd itself reads the units.
func TestTheUnitsAreRight(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed (Debian: apt-get install systemd)")
	}
	root := t.TempDir()
	for _, dir := range []string{"/lib/systemd/system", "/usr/lib/systemd/system"} {
		if err := os.CopyFS(filepath.Join(root, "usr/lib/systemd/system"), os.DirFS(dir)); err == nil {
			break
		}
	}
	put(t, filepath.Join(root, packaged), "")
	if err := os.Chmod(filepath.Join(root, packaged), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range Units {
		path := filepath.Join(root, unitDir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, File(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	cmd := process.Command(t.Context(), "systemd-analyze", append([]string{"verify", "--man=no", "--root=" + root}, Units...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if said := out.String(); err != nil || strings.Contains(said, "teal") {
		t.Errorf("%v\n%s", err, said)
	}
}
