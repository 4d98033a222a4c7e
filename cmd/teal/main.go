// Command teal is the Teal server and its command line, in one binary.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"syscall"
	_ "time/tzdata" // freeze windows name time zones, wherever the server runs

	"teal/internal/cli"
	"teal/internal/daemon"
	"teal/internal/process"
)

func main() {
	// The server runs this program once more as its guard; that is not a
	// command for people.
	if len(os.Args) == 2 && os.Args[1] == daemon.GuardArgument {
		os.Exit(guard())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Only the first signal asks politely; the second one ends the program.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Run(ctx, os.Args[1:], cli.SystemEnv(serve)))
}

func guard() int {
	if err := process.Guard(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "teal guard:", err)
		return 1
	}
	return 0
}

func serve(ctx context.Context, o cli.ServeOptions) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the own program: %w", err)
	}
	return daemon.New(daemon.Config{
		Data: o.Data, HTTP: o.HTTP, Admin: o.Admin, Version: o.Version,
		Override: within(o.OverrideFrom), Trusted: within(o.TrustedProxy), MaxBundle: o.MaxBundle,
		Guard:  []string{self, daemon.GuardArgument},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: o.LogLevel})),
	}).Run(ctx)
}

// within returns whether an address is in one of the networks.
func within(networks []netip.Prefix) func(netip.Addr) bool {
	return func(client netip.Addr) bool {
		return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(client) })
	}
}
