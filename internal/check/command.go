package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"teal"
	"teal/internal/process"
	"teal/internal/removal"
	"teal/internal/secret"
)

// killGrace is what a command that took too long gets to clear up, between
// SIGTERM and SIGKILL.
const killGrace = time.Second

// Commands run programs of the user's, each in a copy of its code that goes with it.
type Commands struct {
	// Bundle returns the folder of a code bundle, which is only read.
	Bundle func(ctx context.Context, digest string) (string, error)
	// Start starts a process, as process.Runner does.
	Start func(process.Spec) (*process.Process, error)
	// Secrets give programs what their variables refer to; nil: there are none.
	Secrets Secrets
	// WorkDir is a folder of their own. Clear empties it.
	WorkDir string
	Logger  *slog.Logger
}

// Program is a program of the user's.
type Program struct {
	Argv   []string
	Code   string            // digest of the bundle whose copy it runs in; "" is an empty folder
	Env    map[string]string // beside PATH, LANG, TZ, HOME and TMPDIR
	Masked []string          // names in Env whose values no output shows, whatever they sound like
	App    string            // whose secrets these are
	// Secrets are further variables.
	Secrets map[string]teal.SecretRef
	Of      string                    // the environment that it may ask, see teal.EnvironmentName
	Output  func(stream, line string) // gets what it prints, without masked values; nil is nobody
}

// Ended is how a program ended.
type Ended struct {
	Failure string // what was wrong, for people; "" is exit status 0
	Took    time.Duration
}

// Run runs a program until it ends or ctx does; then it is killed with all that it
// started. An error says, for people, why it did not run.
func (r Commands) Run(ctx context.Context, p Program) (Ended, error) {
	hide := redactor(nil).named(p.Env).masked(p.Env, p.Masked)
	end, err := r.run(ctx, command{argv: p.Argv, code: p.Code, env: p.Env, hide: hide, of: p.Of, app: p.App, secrets: p.Secrets, output: p.Output})
	switch {
	case err != nil:
		return Ended{}, err
	case end.late:
		return Ended{Failure: fmt.Sprintf("it had not ended after %s; it and everything that it had started were killed", rounded(end.took)), Took: end.took}, nil
	case end.exit.Code != 0 || end.exit.Signal != "":
		return Ended{Failure: end.exit.String(), Took: end.took}, nil
	}
	return Ended{Took: end.took}, nil
}

// Clear empties the working folder: what is in it belonged to a server that died. The
// folder is made by the first command, for which there may be no space now. Where it
// cannot be read, commands say so when they are to be run.
func (r Commands) Clear() {
	entries, err := os.ReadDir(r.WorkDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.Logger.Error("commands cannot be run", "folder", r.WorkDir, "error", err)
	}
	for _, entry := range entries {
		r.remove(filepath.Join(r.WorkDir, entry.Name()))
	}
}

// command is a program of the user's, in a folder of its own.
type command struct {
	argv    []string
	code    string // digest of the bundle whose copy it runs in; "" is an empty folder
	env     map[string]string
	hide    redactor // of what it prints
	app     string
	secrets map[string]teal.SecretRef // further variables
	of      string                    // the environment that it may ask, see teal.EnvironmentName
	// output gets each line, with what is hidden hidden; nil is nobody.
	output func(stream, line string)
}

// commandResult is how a command ended.
type commandResult struct {
	exit   process.Exit
	late   bool   // it was killed
	output string // the last that it printed
	took   time.Duration
}

// run runs a command until it ends or ctx does; then it is killed with all that
// it started. An error says, for people, why it did not run.
func (r Commands) run(ctx context.Context, c command) (commandResult, error) {
	if err := os.MkdirAll(r.WorkDir, 0o700); err != nil {
		return commandResult{}, fmt.Errorf("no folder could be made for it: %w", err)
	}
	home, err := os.MkdirTemp(r.WorkDir, "command-")
	if err != nil {
		return commandResult{}, fmt.Errorf("no folder could be made for it: %w", err)
	}
	defer r.remove(home)
	given, err := r.open(ctx, c)
	if err != nil {
		return commandResult{}, err
	}
	defer r.close(given)
	maps.Copy(c.env, given.Env)
	for _, value := range given.Values() {
		c.hide = c.hide.value(value)
	}
	code := filepath.Join(home, "code")
	if err := r.copyBundle(ctx, c.code, code); err != nil {
		return commandResult{}, err
	}
	scratch := filepath.Join(home, "tmp")
	if err := os.Mkdir(scratch, 0o700); err != nil {
		return commandResult{}, fmt.Errorf("no folder could be made for it: %w", err)
	}
	spec := process.Spec{Path: c.argv[0], Args: process.Expand(c.argv[1:], c.env), Dir: code, Env: environ(scratch, c.env), Owner: c.of}
	return r.execute(ctx, spec, c)
}

// open gives a command its secrets.
func (r Commands) open(ctx context.Context, c command) (*secret.Given, error) {
	if len(c.secrets) == 0 {
		return &secret.Given{}, nil
	}
	if r.Secrets == nil {
		return nil, errors.New("it refers to secrets, and this server keeps none")
	}
	given, err := r.Secrets.Open(ctx, c.app, c.secrets)
	if err != nil {
		return nil, errors.New(teal.MessageOf(err))
	}
	return given, nil
}

func (r Commands) close(given *secret.Given) {
	if err := given.Close(); err != nil {
		r.Logger.Warn("the files of secrets are left over", "error", err)
	}
}

// remove deletes a command's folder. One that cannot be deleted is tried again when
// the server starts.
func (r Commands) remove(home string) {
	if err := removal.Tree(home); err != nil {
		r.Logger.Warn("a command's folder is left over", "folder", home, "error", err)
	}
}

// copyBundle makes a copy that the command may write to: the bundle is shared.
func (r Commands) copyBundle(ctx context.Context, digest, to string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return fmt.Errorf("no folder could be made for it: %w", err)
	}
	if digest == "" {
		return nil
	}
	from, err := r.Bundle(ctx, digest)
	if err != nil {
		return fmt.Errorf("its code cannot be read: %s", teal.MessageOf(err))
	}
	files, ok := os.DirFS(from).(fs.ReadLinkFS)
	if !ok {
		return errors.New("its code cannot be read")
	}
	if err := os.CopyFS(to, contextOpener{ctx, files}); err != nil {
		return fmt.Errorf("its code cannot be copied: %w", err)
	}
	return nil
}

// contextOpener is a file system whose patience ends with a context.
type contextOpener struct {
	ctx context.Context
	fs.ReadLinkFS
}

func (p contextOpener) Open(name string) (fs.File, error) {
	if err := p.ctx.Err(); err != nil {
		return nil, err
	}
	return p.ReadLinkFS.Open(name)
}

func (r Commands) execute(ctx context.Context, spec process.Spec, c command) (commandResult, error) {
	var mu sync.Mutex
	var printed tail
	spec.Output = func(stream string, text []byte) {
		line := c.hide.text(string(text))
		if c.output != nil {
			c.output(stream, line)
		}
		mu.Lock()
		defer mu.Unlock()
		printed.line(line)
	}
	began := time.Now()
	proc, err := r.Start(spec)
	if err != nil {
		return commandResult{}, fmt.Errorf("it cannot be started: %s", teal.MessageOf(err))
	}
	end := commandResult{}
	select {
	case <-proc.Done():
	case <-ctx.Done():
		end.late = true
		// Whoever stops a release waits for this; a time-out has time.
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			proc.Stop(killGrace)
		}
		proc.Kill()
		<-proc.Done()
	}
	end.exit, end.took = proc.Exit(), time.Since(began)
	mu.Lock()
	defer mu.Unlock()
	end.output = printed.String()
	return end, nil
}

// inherited are the variables that a command gets from the server's own
// environment, with what they are when the server has none. Everything else
// that the server knows, its tokens among them, stays with it.
var inherited = map[string]string{"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}

// environ returns the environment of a command as NAME=value, sorted.
func environ(scratch string, more map[string]string) []string {
	env := map[string]string{"HOME": scratch, "TMPDIR": scratch}
	for name, fallback := range inherited {
		env[name] = fallback
		if value := os.Getenv(name); value != "" {
			env[name] = value
		}
	}
	maps.Copy(env, more)
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// environment names the environment that the release moves to.
func (s releaseTask) environment() string {
	return teal.EnvironmentName(s.release.App, teal.VersionRef(s.release.To))
}

// program is what a check or a hook says of its command.
type program struct {
	argv    []string
	code    string
	env     map[string]string
	masked  []string // names in env; nil is all of them
	secrets map[string]teal.SecretRef
}

// command returns a command about the release with what it is told: the variables of
// the version's components, its own, and what Teal says, of which the later wins.
func (s releaseTask) command(ctx context.Context, p program) (command, error) {
	spec, err := s.examiner.cfg.Versions.Spec(ctx, s.release.App, s.release.To)
	if err != nil {
		return command{}, fmt.Errorf("v%d cannot be read: %s", s.release.To, teal.MessageOf(err))
	}
	env, masked := spec.CommandEnv(p.code)
	hide := redactor(nil).named(env).masked(env, masked)
	if p.masked == nil {
		p.masked = slices.Collect(maps.Keys(p.env))
	}
	hide = hide.named(p.env).masked(p.env, p.masked)
	secrets := spec.CommandSecrets(p.code)
	for name := range p.env {
		delete(secrets, name)
	}
	for name, ref := range p.secrets {
		delete(env, name)
		secrets[name] = ref
	}
	maps.Copy(env, p.env)
	env["TEAL_APP"] = s.release.App
	env["TEAL_VERSION"] = strconv.Itoa(s.release.To)
	env["TEAL_LIVE_VERSION"] = strconv.Itoa(s.release.From)
	env["TEAL_RELEASE"] = s.release.ID
	return command{argv: p.argv, code: p.code, env: env, hide: hide, of: s.environment(), app: s.release.App, secrets: secrets}, nil
}

// addresses adds the addresses at which the new version answers to a command's
// environment.
func (s releaseTask) addresses(ctx context.Context, env map[string]string) error {
	versions := s.examiner.cfg.Versions
	spec, err := versions.Spec(ctx, s.release.App, s.release.To)
	if err != nil {
		return fmt.Errorf("v%d cannot be read: %s", s.release.To, teal.MessageOf(err))
	}
	places := map[string]string{"TEAL_PREVIEW_URL": ""}
	for name := range spec.Components {
		places["TEAL_URL_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] = name
	}
	for variable, component := range places {
		if env[variable], err = versions.Address(s.release.App, s.release.To, component); err != nil {
			return fmt.Errorf("v%d cannot be reached: %s", s.release.To, teal.MessageOf(err))
		}
	}
	return nil
}

// shownCommand is a command as people read it.
func shownCommand(argv []string) string { return line(strings.Join(argv, " "), maxExcerpt) }
