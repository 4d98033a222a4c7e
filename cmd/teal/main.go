// Command teal is the Teal server and its command line, in one binary.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
	"time"
	_ "time/tzdata" // freeze windows name time zones, wherever the server runs

	"teal/internal/cli"
	"teal/internal/daemon"
	"teal/internal/gateway/accesslog"
	"teal/internal/gateway/certificate"
	"teal/internal/logs"
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
	env := cli.SystemEnv(serve)
	env.Open = openBrowser
	os.Exit(cli.Run(ctx, os.Args[1:], env))
}

// openBrowser opens an address in the browser of whoever sits here.
func openBrowser(address string) error {
	opener := "xdg-open"
	if runtime.GOOS == "darwin" {
		opener = "open"
	}
	return process.Command(context.Background(), opener, address).Start()
}

func guard() int {
	if err := process.Guard(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "teal guard:", err)
		return 1
	}
	return 0
}

func serve(ctx context.Context, o cli.ServeOptions) error {
	edge, bounds, err := edgeOf(o.Edge)
	if err != nil || o.CheckOnly {
		return errors.Join(err, checkCertificates(edge))
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the own program: %w", err)
	}
	keepPrivileges()
	sockets, err := inherited(o)
	if err != nil {
		return err
	}
	// Requests are logged, too, and must not wait for whoever reads this.
	log := logs.NewWriter(os.Stderr, 4<<20, missing)
	defer log.Flush(2 * time.Second)
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: o.LogLevel}))
	server := daemon.New(daemon.Config{
		Data: o.Data, HTTP: o.HTTP, Admin: o.Admin, AdminTLS: o.AdminTLS || reachable(sockets, o), AdminHost: o.AdminHost, Sockets: sockets, Version: o.Version,
		Override: within(o.OverrideFrom), Trusted: within(o.TrustedProxy), MaxBundle: o.MaxBundle, SecretsKeyCommand: o.SecretsKeyCommand, Edge: edge,
		AWS:    daemon.AWS{Region: o.AWS.Region, Account: o.AWS.Account, Buckets: o.AWS.Buckets, URLDomain: o.AWS.URLDomain, Events: bounds.events},
		Queues: bounds.queues,
		Guard:  []string{self, daemon.GuardArgument},
		Logger: logger, LogLost: log.Lost,
	})
	defer accompany(ctx, server, logger)()
	return server.Run(ctx)
}

// missing is the line that stands for lines of the log that nobody took.
func missing(lines int64) []byte {
	var line bytes.Buffer
	slog.New(slog.NewTextHandler(&line, nil)).Warn("lines of this log are missing here: they came faster than they were read", "lines", lines)
	return line.Bytes()
}

func edgeOf(o cli.EdgeOptions) (daemon.EdgeConfig, limits, error) {
	c := daemon.EdgeConfig{HTTPS: o.HTTPS, Folders: o.Folders, AccessLog: o.AccessLog, Format: accesslog.Format(o.Format), Sample: o.Sample, Underscores: o.Underscores}
	for _, pair := range o.Certificates {
		c.Certificates = append(c.Certificates, certificate.Pair(pair))
	}
	var bounds limits
	var err error
	if c.ACME, err = authorityOf(o); err != nil {
		return c, bounds, err
	}
	bounds, err = parseLimits(o.Limits)
	c.Limits = bounds.gateway
	return c, bounds, err
}

// within returns whether an address is in one of the networks.
func within(networks []netip.Prefix) func(netip.Addr) bool {
	return func(client netip.Addr) bool {
		return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(client) })
	}
}
