package unit

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"teal"
	"teal/internal/atomicfile"
	"teal/internal/process"
)

// Step is one thing that an installation does: what it is, for people, and the thing.
type Step struct {
	Says string
	Do   func(ctx context.Context) error
}

// Target is the system that a service is installed on.
type Target struct {
	Root    string // "/", or a folder that holds another system
	Program string // the teal program that is running
}

// DataDir is where the service has its data.
const DataDir = "/var/lib/teal"

const (
	unitDir      = "/etc/systemd/system"
	settingsFile = "/etc/teal/" + Settings
	installed    = "/usr/local/bin/teal"
)

// Install returns what is to be done for systemd to run the service: nothing that is
// there already, but for the program and the units, which are replaced. It starts
// nothing and enables nothing. Where a package has installed the service it returns
// an error with teal.CodeInvalidInput.
func (t Target) Install() ([]Step, error) {
	for _, dir := range []string{"/lib/systemd/system", "/usr/lib/systemd/system"} {
		if t.has(filepath.Join(dir, Service)) {
			return nil, teal.Errorf(teal.CodeInvalidInput, "a package has installed the service (%s); start it with: systemctl enable --now teal", filepath.Join(dir, Service))
		}
	}
	var steps []Step
	program := t.Program
	if program != packaged && program != installed {
		program = installed
		steps = append(steps, Step{"copy " + t.Program + " to " + installed, func(context.Context) error { return t.copyProgram() }})
	}
	user, err := t.addUser()
	if err != nil {
		return nil, err
	}
	steps = append(steps, user...)
	if !t.has(settingsFile) {
		steps = append(steps, t.write(settingsFile, File(Settings)))
	}
	for _, name := range Units {
		steps = append(steps, t.write(filepath.Join(unitDir, name), forProgram(name, program)))
	}
	return append(steps, t.reload()...), nil
}

// Uninstall returns what is to be done to stop the service and to remove what Install
// has made, but for the program, the settings, the data and the user.
func (t Target) Uninstall() ([]Step, error) {
	if !t.has(filepath.Join(unitDir, Service)) {
		return nil, teal.Errorf(teal.CodeInvalidInput, "there is no %s; a service that a package has installed is removed with the package", filepath.Join(unitDir, Service))
	}
	var steps []Step
	if t.runs() {
		steps = append(steps, run("systemctl", append([]string{"disable", "--now"}, Units...)...))
	}
	for _, name := range Units {
		if path := filepath.Join(unitDir, name); t.has(path) {
			steps = append(steps, Step{"remove " + path, func(context.Context) error { return os.Remove(t.at(path)) }})
		}
	}
	return append(steps, t.reload()...), nil
}

// at returns where a path of the system is.
func (t Target) at(path string) string { return filepath.Join(t.Root, path) }

func (t Target) has(path string) bool {
	_, err := os.Lstat(t.at(path))
	return err == nil
}

// runs reports whether systemd runs on the system: as sd_booted(3) does.
func (t Target) runs() bool { return t.Root == "/" && t.has("/run/systemd/system") }

func (t Target) reload() []Step {
	if !t.runs() {
		return nil
	}
	return []Step{run("systemctl", "daemon-reload")}
}

func (t Target) write(path string, data []byte) Step {
	return Step{"write " + path, func(context.Context) error {
		at := t.at(path)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		return errors.Join(atomicfile.Write(at, data), os.Chmod(at, 0o644))
	}}
}

// copyProgram puts the program where the service's user may read it: not in a home.
func (t Target) copyProgram() error {
	data, err := os.ReadFile(t.Program)
	if err != nil {
		return err
	}
	at := t.at(installed)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	return errors.Join(atomicfile.Write(at, data), os.Chmod(at, 0o755))
}

// addUser is no step where the system has the user.
func (t Target) addUser() ([]Step, error) {
	users, err := os.ReadFile(t.at("/etc/passwd"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, teal.Errorf(teal.CodeInvalidInput, "the users of the system cannot be read: %w", err)
	}
	for line := range strings.Lines(string(users)) {
		if strings.HasPrefix(line, "teal:") {
			return nil, nil
		}
	}
	args := []string{"--system", "--user-group", "--home-dir", DataDir, "--no-create-home", "--shell", "/usr/sbin/nologin", "--comment", "Teal", "teal"}
	if t.Root != "/" {
		args = append([]string{"--prefix", t.Root}, args...)
	}
	return []Step{run("useradd", args...)}, nil
}

// run is a step that is a command.
func run(name string, args ...string) Step {
	return Step{"run " + name + " " + strings.Join(args, " "), func(ctx context.Context) error {
		var out bytes.Buffer
		cmd := process.Command(ctx, name, args...)
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			return teal.Errorf(teal.CodeInternal, "%s: %w: %s", name, err, strings.TrimSpace(out.String()))
		}
		return nil
	}}
}
