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
	"strings"
	"time"

	"golang.org/x/term"

	"teal"
	"teal/internal/systemd/unit"
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
	Commit  string           // that it was built from, "" where that is not known
	Date    string           // of that commit, likewise
	User    string           // whom the process belongs to, "" where that is not known
	// ServiceData is where a server that runs as this machine's service has its data;
	// "" where there is no such place.
	ServiceData string
	// Open opens an address in a browser; nil: there is none.
	Open func(address string) error
	// Serve runs a server until ctx ends.
	Serve func(ctx context.Context, o ServeOptions) error
}

// ServeOptions is what the server command was told.
type ServeOptions struct {
	Data       string // directory
	HTTP       string // address of the gateway
	Admin      string // address of the REST API
	AdminTLS   bool   // the REST API speaks TLS alone
	AdminPlain bool   // it speaks plain HTTP, whoever reaches it
	AdminHost  string // a name for which it is to have a certificate from the authority, "" for none
	// SecretsKeyCommand prints the key of secrets; "": it is in the data directory.
	SecretsKeyCommand string
	OverrideFrom      []netip.Prefix
	TrustedProxy      []netip.Prefix
	MaxBundle         teal.Bytes // unpacked
	LogLevel          slog.Level
	Version           string
	Edge              EdgeOptions
	AWS               AWSOptions
	// CheckOnly asks only whether a server could be made of this: nothing is opened
	// but the files of certificates, and nothing changed.
	CheckOnly bool
}

// AWSOptions says how the server presents itself to AWS's tools.
type AWSOptions struct {
	Region, Account string
	Buckets         string // a folder; "" is none
	URLDomain       string // of function URLs
}

// SystemEnv returns the environment of this process.
func SystemEnv(serve func(ctx context.Context, o ServeOptions) error) Env {
	env := Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
		Terminal: term.IsTerminal(int(os.Stdout.Fd())),
		Asks:     term.IsTerminal(int(os.Stdout.Fd())) && term.IsTerminal(int(os.Stdin.Fd())),
		Now:      time.Now,
		User:     processUser(),

		ServiceData: unit.DataDir,
		Serve:       serve,
	}
	env.builtFrom(debug.ReadBuildInfo())
	return env
}

// processUser returns whom this process belongs to: a name, or a number where
// there is no name for it.
func processUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}

// builtFrom sets what is known about how this program was built: the module's version,
// or the commit.
func (e *Env) builtFrom(info *debug.BuildInfo, ok bool) {
	e.Version = "unknown"
	if !ok {
		return
	}
	e.Version = "devel"
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision" && len(setting.Value) >= 12:
			e.Commit = setting.Value[:12]
			e.Version = "devel-" + e.Commit
		case setting.Key == "vcs.time":
			e.Date, _, _ = strings.Cut(setting.Value, "T")
		}
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		e.Version = v
	}
}
