//go:build linux

// Command bench-gateway measures Teal's gateway beside nginx, HAProxy and Caddy:
// the same backends, the same load, in turns. It writes a section of a document
// with medians and ratios.
//
//	bench-gateway -teal bin/teal -out docs/benchmarks-gateway.md
//
// A proxy that is not installed is left out with a word. All traffic stays on
// 127.0.0.1, and every load ends by itself. The program runs itself in three more
// roles: the backend, the load, and the one that holds connections open.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

// The roles.
const (
	roleBackend = "backend"
	roleLoad    = "load"
)

// options is what a run was told.
type options struct {
	teal, out string
	short     bool
	rounds    int
	only      *regexp.Regexp
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := role(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench-gateway:", err)
		os.Exit(1)
	}
}

func role(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case roleBackend:
			return backendMain()
		case roleLoad:
			return loadMain(args[1:])
		}
	}
	var o options
	flags := flag.NewFlagSet("bench-gateway", flag.ContinueOnError)
	flags.StringVar(&o.teal, "teal", "bin/teal", "the program to measure")
	flags.StringVar(&o.out, "out", "docs/benchmarks-gateway.md", "the document; its text outside of the marks is kept")
	flags.BoolVar(&o.short, "short", false, "a smoke run: everything once, for a moment; the numbers mean nothing")
	flags.IntVar(&o.rounds, "rounds", 3, "rounds, in each of which every proxy has its turn")
	only := flags.String("only", "", "a regular expression: leave out the cases whose names it does not match")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		return err
	}
	if o.short {
		o.rounds = 1
	}
	return bench(ctx, o)
}

func bench(ctx context.Context, o options) (err error) {
	began := time.Now()
	lab, err := openLab(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.close()) }()
	results := newResults()
	// First, as long as no proxy has memory to spare.
	if o.only.MatchString(idleName) {
		if err := lab.idleConnections(ctx, o.short, results); err != nil {
			return err
		}
	}
	for round := range o.rounds {
		for _, c := range cases(o.short) {
			if c.name != small && !o.only.MatchString(c.name) {
				continue // small says what half of the maximum is
			}
			if err := lab.turn(ctx, c, round, results); err != nil {
				return err
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d, %s\n", round+1, o.rounds, time.Since(began).Round(time.Second))
	}
	return writeDocument(o, lab, results, time.Since(began))
}
