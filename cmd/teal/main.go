// Command teal is the Teal server and its command line, in one binary.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"teal/internal/cli"
	"teal/internal/daemon"
	"teal/internal/process"
)

func main() {
	// The server runs this program once more as its guard; that is not a
	// command for people.
	if len(os.Args) == 2 && os.Args[1] == daemon.GuardArgument {
		if err := process.Guard(os.Stdin); err != nil {
			fmt.Fprintln(os.Stderr, "teal guard:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Run(ctx, os.Args[1:], cli.SystemEnv(serve)))
}
