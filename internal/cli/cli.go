// Package cli is Teal's command line: one file for each command. It can do what
// the REST API can and nothing else; the server command alone is handed in, so
// that this package does not know how a server is built.
//
// Results go to the standard output, what went wrong to the standard error. With
// --json there is exactly one JSON document on the standard output, also for an
// error. The commands that follow something (watch, logs -f) then write one
// document for each line.
//
// Exit codes: 0 done; 1 the release failed or was rolled back, or something
// broke; 2 the command was refused and nothing has changed: usage, bad input, an
// unknown app, a wrong token; 3 the server cannot be reached; 4 another release
// of the app is running: nothing has changed, and later it may work; 130
// interrupted: what the server was doing goes on.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
	"teal/internal/client"
)

// The exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitRefused     = 2
	exitUnreachable = 3
	exitBusy        = 4
	exitInterrupted = 130 // as a shell has it for a program that Ctrl-C ended
)

// Run executes one command line, without the program's name, and returns the
// exit code. It blocks until the command is done; when ctx ends, commands that
// follow something stop and leave the server's work alone.
func Run(ctx context.Context, args []string, env Env) int {
	s := newSession(env)
	defer s.close()
	root := s.root()
	root.SetArgs(args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = s.out.failed()
	}
	if errors.Is(err, context.Canceled) && !errors.Is(err, errInterrupted) {
		err = interruptedf("interrupted")
	}
	if err != nil {
		s.json = s.json || wantsJSON(args)
		s.report(err)
	}
	return exitCode(err)
}

// Commands returns all commands, for who writes about them: they are not to be run.
func Commands() *cobra.Command {
	root := newSession(Env{Stdout: io.Discard, Stderr: io.Discard, Getenv: func(string) string { return "" }, Now: time.Now}).root()
	root.DisableAutoGenTag = true
	root.InitDefaultCompletionCmd()
	return root
}

// wantsJSON finds --json on a command line that could not be parsed.
func wantsJSON(args []string) bool {
	for _, arg := range args {
		if arg == "--" {
			return false
		}
		if arg == "--json" {
			return true
		}
	}
	return false
}

func (s *session) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "teal",
		Short: "Release functions and HTTP services blue-green",
		Long: "Teal releases serverless functions and HTTP services blue-green: the new version runs\n" +
			"beside the current one, is checked there, takes the traffic at once or step by step, is\n" +
			"monitored, and is rolled back automatically when it is worse.\n\n" +
			"Exit codes: 0 done, 1 the release failed or was rolled back, 2 usage or bad input,\n" +
			"3 the server cannot be reached, 4 another release of the app is running,\n" +
			"130 interrupted (the server continues).\n\n" +
			"On the server's own machine nothing needs to be set; its service is for root and the user\n" +
			"teal. For a server elsewhere: `teal login`, then --context or TEAL_CONTEXT where there are\n" +
			"several; in scripts TEAL_ADDR and TEAL_TOKEN, with TEAL_FINGERPRINT for a server with a\n" +
			"certificate of its own. TEAL_DATA names the data directory of a server on this machine.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			if asked, _ := cmd.Flags().GetBool("version"); asked {
				s.showVersion()
				return nil
			}
			return cmd.Help()
		},
	}
	// Not root.Version: its template would keep the linker from leaving anything out,
	// and make the program 5 MB larger.
	root.Flags().Bool("version", false, "print Teal's version")
	root.PersistentFlags().BoolVar(&s.json, "json", false, "write one JSON document")
	root.PersistentFlags().StringVar(&s.context, "context", "", "`NAME` of the server to talk to (teal context list)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef(cmd, "%s", err)
	})
	root.AddCommand(
		s.serverCommand(), s.deployCommand(), s.promoteCommand(), s.pauseCommand(), s.resumeCommand(), s.approveCommand(),
		s.abortCommand(), s.rollbackCommand(), s.freezeCommand(), s.unfreezeCommand(), s.stopCommand(), s.startCommand(), s.statusCommand(), s.watchCommand(), s.historyCommand(), s.releaseCommand(), s.analyzeCommand(), s.versionsCommand(),
		s.logsCommand(), s.aliasCommand(), s.appCommand(), s.invokeCommand(), s.doctorCommand(),
		s.consoleCommand(), s.loginCommand(), s.contextCommand(), s.tokenCommand(), s.auditCommand(), s.secretCommand(), s.queueCommand(), s.scheduleCommand(),
		s.validateCommand(), s.initCommand(), s.importCommand(), s.schemaCommand(), s.versionCommand(), s.serviceCommand(),
	)
	return root
}

func unknownCommand(cmd *cobra.Command, name string) error {
	hint := ""
	cmd.SuggestionsMinimumDistance = 2 // letters
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		hint = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return teal.Errorf(teal.CodeInvalidInput, "unknown command %q%s\nSee %s --help.", name, hint, cmd.CommandPath())
}

func usagef(cmd *cobra.Command, format string, args ...any) error {
	return teal.Errorf(teal.CodeInvalidInput, "%s\nUsage: %s", fmt.Sprintf(format, args...), cmd.UseLine())
}

// arguments checks the number of arguments, none of which is empty, and says how the
// command is used.
func arguments(low, high int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < low:
			return usagef(cmd, "%s: an argument is missing", cmd.CommandPath())
		case len(args) > high:
			return usagef(cmd, "%s: unexpected argument %q", cmd.CommandPath(), args[high])
		case slices.Contains(args, ""): // as a script's variable is that nobody has set
			return usagef(cmd, "%s: an argument is empty", cmd.CommandPath())
		}
		return nil
	}
}

// group is a command that only has others below it.
func group(use, short string, below ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return usagef(cmd, "%s: a command is missing", cmd.CommandPath())
		},
	}
	cmd.AddCommand(below...)
	return cmd
}

// failure is a release that did not end well. It keeps the release for --json.
type failure struct {
	cause   *teal.Error
	release api.ReleaseView
}

func (f *failure) Error() string { return f.cause.Message }
func (f *failure) Unwrap() error { return f.cause }

// errReported ends a command with exit code 1 whose output says everything already.
var errReported = errors.New("told")

// errInterrupted is in the chain of the error of a command that ctx ended.
var errInterrupted = errors.New("interrupted")

func interruptedf(format string, args ...any) error {
	return &teal.Error{Code: codeInterrupted, Message: fmt.Sprintf(format, args...), Err: errInterrupted}
}

// codeInterrupted never leaves the command line.
const codeInterrupted teal.Code = "interrupted"

func exitCode(err error) int {
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.Is(err, client.ErrUnreachable):
		return exitUnreachable
	case teal.IsCode(err, teal.CodeReleaseFailed):
		return exitFailed
	case teal.IsCode(err, teal.CodeReleaseInProgress):
		return exitBusy
	}
	switch teal.CodeOf(err).Kind() {
	case teal.KindInvalid, teal.KindUnauthorized, teal.KindForbidden, teal.KindNotFound, teal.KindConflict, teal.KindTooLarge:
		return exitRefused
	case teal.KindThrottled, teal.KindUnavailable, teal.KindTimeout, teal.KindBadGateway, teal.KindInternal:
	}
	return exitFailed
}
