package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/user"
	"runtime/debug"
	"time"

	"golang.org/x/term"

	"teal"
)

// Env is what a command line gets from its process.
type Env struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
	// Terminal says that Stdout is a terminal: colour, and a live view.
	Terminal bool
	// Asks says that somebody sits at both ends and can be asked.
	Asks    bool
	Now     func() time.Time // its zone is the one that times are shown in
	Version string           // of Teal
	User    string           // whom the process belongs to, "" where that is not known
	// Serve runs a server until ctx ends.
	Serve func(ctx context.Context, o ServeOptions) error
}

// ServeOptions is what the server command was told.
type ServeOptions struct {
	Data         string // directory
	HTTP         string // address of the gateway
	Admin        string // address of the REST API
	OverrideFrom []netip.Prefix
	TrustedProxy []netip.Prefix
	MaxBundle    teal.Bytes // unpacked
	LogLevel     slog.Level
	Version      string
	Edge         EdgeOptions
	AWS          AWSOptions
}

// AWSOptions says how the server presents itself to AWS's tools.
type AWSOptions struct {
	Region, Account string
	Buckets         string // a folder; "" is none
	URLDomain       string // of function URLs
}

// SystemEnv returns the environment of this process.
func SystemEnv(serve func(ctx context.Context, o ServeOptions) error) Env {
	return Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
		Terminal: term.IsTerminal(int(os.Stdout.Fd())),
		Asks:     term.IsTerminal(int(os.Stdout.Fd())) && term.IsTerminal(int(os.Stdin.Fd())),
		Now:      time.Now,
		Version:  builtVersion(),
		User:     processUser(),
		Serve:    serve,
	}
}

// processUser returns whom this process belongs to: a name, or a number where
// there is no name for it.
func processUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}

// builtVersion returns the module's version, or the commit that was built.
func builtVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" && len(setting.Value) >= 12 {
			return "devel-" + setting.Value[:12]
		}
	}
	return "devel"
}
