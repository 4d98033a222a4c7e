package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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

// command is a program of the user's, in a folder of its own.
type command struct {
	argv    []string
	code    string // digest of the bundle whose copy it runs in; "" is an empty folder
	env     map[string]string
	hide    redactor // of what it prints
	app     string
	secrets map[string]teal.SecretRef // further variables
	mask    *secret.Mask              // of what it prints, too
	of      string                    // the environment that it may ask, see teal.EnvironmentName
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
func (e *Examiner) run(ctx context.Context, c command) (commandResult, error) {
	if err := os.MkdirAll(e.cfg.WorkDir, 0o700); err != nil {
		return commandResult{}, fmt.Errorf("no folder could be made for it: %w", err)
	}
	home, err := os.MkdirTemp(e.cfg.WorkDir, "command-")
	if err != nil {
		return commandResult{}, fmt.Errorf("no folder could be made for it: %w", err)
	}
	defer e.remove(home)
	given, err := e.open(ctx, c)
	if err != nil {
		return commandResult{}, err
	}
	defer e.close(given)
	maps.Copy(c.env, given.Env)
	code := filepath.Join(home, "code")
	if err := e.copyBundle(ctx, c.code, code); err != nil {
		return commandResult{}, err
	}
	scratch := filepath.Join(home, "tmp")
	if err := os.Mkdir(scratch, 0o700); err != nil {
		return commandResult{}, fmt.Errorf("no folder could be made for it: %w", err)
	}
	spec := process.Spec{Path: c.argv[0], Args: process.Expand(c.argv[1:], c.env), Dir: code, Env: environ(scratch, c.env), Owner: c.of}
	if c.mask != nil {
		spec.Mask = func() func([]byte, bool) []byte { return c.mask.Stream().Piece }
	}
	return e.execute(ctx, spec, c.hide)
}

// open gives a command its secrets.
func (e *Examiner) open(ctx context.Context, c command) (*secret.Given, error) {
	if len(c.secrets) == 0 {
		return &secret.Given{}, nil
	}
	if e.cfg.Secrets == nil {
		return nil, errors.New("it refers to secrets, and this server keeps none")
	}
	given, err := e.cfg.Secrets.Open(ctx, c.app, c.secrets)
	if err != nil {
		return nil, errors.New(teal.MessageOf(err))
	}
	return given, nil
}

func (e *Examiner) close(given *secret.Given) {
	if err := given.Close(); err != nil {
		e.cfg.Logger.Warn("the files of secrets are left over", "error", err)
	}
}

// remove deletes a command's folder. One that cannot be deleted is tried again when
// the server starts.
func (e *Examiner) remove(home string) {
	if err := removal.Tree(home); err != nil {
		e.cfg.Logger.Warn("a command's folder is left over", "folder", home, "error", err)
	}
}

// copyBundle makes a copy that the command may write to: the bundle is shared.
func (e *Examiner) copyBundle(ctx context.Context, digest, to string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return fmt.Errorf("no folder could be made for it: %w", err)
	}
	if digest == "" {
		return nil
	}
	from, err := e.cfg.Bundle(ctx, digest)
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

func (e *Examiner) execute(ctx context.Context, spec process.Spec, hide redactor) (commandResult, error) {
	var mu sync.Mutex
	var printed tail
	spec.Output = func(_ string, text []byte) {
		mu.Lock()
		defer mu.Unlock()
		printed.line(hide.text(string(text)))
	}
	began := time.Now()
	proc, err := e.cfg.Start(spec)
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
	return command{argv: p.argv, code: p.code, env: env, hide: hide, of: s.environment(), app: s.release.App, secrets: secrets, mask: s.mask()}, nil
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
