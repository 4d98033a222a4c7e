// Command bench measures a built Teal and prints the numbers that
// docs/benchmarks.md holds.
//
//	go run ./test/bench -teal bin/teal [-json] [-write docs/benchmarks.md]
//	go run ./test/bench -teal bin/teal -profile DIR
//
// It starts servers of its own on free ports, with data in a temporary
// directory, and measures them from outside: through the command line, the REST
// API, one TCP connection, and /proc. Load comes from a process of its own, this
// program once more, which speaks just enough HTTP. Nothing is asserted: a goal
// that is missed is printed as missed.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// The other things that this program is, as its first argument.
const (
	roleClient = "client" // load
	roleCanned = "canned" // a server that answers without thinking
	roleProxy  = "proxy"  // httputil.ReverseProxy, bare
	roleDirect = "direct" // the least that can stand between a client and a function
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	role := ""
	if len(args) > 0 {
		role = args[0]
	}
	switch role {
	case roleClient:
		return clientMain(args[1:])
	case roleCanned:
		return cannedMain()
	case roleProxy:
		return proxyMain(args[1:])
	case roleDirect:
		return directMain(args[1:])
	}
	return benchMain(ctx, args)
}

type options struct {
	teal    string
	json    bool
	write   string
	profile string
	only    string
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.teal, "teal", "bin/teal", "the program to measure")
	flags.BoolVar(&o.json, "json", false, "print one JSON document instead of the table")
	flags.StringVar(&o.write, "write", "", "also write the table to this Markdown `file`")
	flags.StringVar(&o.only, "only", "", "measure only these `parts`, separated by commas: size, switch, table, warm, cold, proxy, lambda")
	flags.StringVar(&o.profile, "profile", "", "measure nothing; write CPU and heap profiles of a server to this `directory`")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	var err error
	if o.teal, err = filepath.Abs(o.teal); err != nil {
		return o, err
	}
	_, err = os.Stat(o.teal)
	return o, err
}

func benchMain(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	l, err := openLab(ctx, o.teal)
	if err != nil {
		return err
	}
	defer l.close()
	if o.profile != "" {
		return profile(ctx, l, o.profile)
	}
	report, err := measure(ctx, l, o.only)
	if err != nil {
		return err
	}
	if o.write != "" {
		if err := os.WriteFile(o.write, []byte(report.markdown()), 0o644); err != nil {
			return err
		}
	}
	if o.json {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(report)
	}
	fmt.Print(report.text())
	return nil
}

// parts is everything that can be measured, in the order of the report.
var parts = []struct {
	name    string
	measure func(context.Context, *lab) ([]section, error)
}{
	{"size", measureSize},
	{"switch", measureSwitches},
	{"table", measureTable},
	{"warm", measureWarm},
	{"cold", measureCold},
	{"proxy", measureProxy},
	{"lambda", measureLambda},
}

// measure runs the parts, one after the other; only "" is all of them.
func measure(ctx context.Context, l *lab, only string) (*report, error) {
	r := &report{Machine: lookAtMachine(), At: time.Now().UTC().Truncate(time.Second)}
	chosen := strings.Split(only, ",")
	before := busyCPU()
	for _, part := range parts {
		if only != "" && !slices.Contains(chosen, part.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring: %s\n", part.name)
		sections, err := part.measure(ctx, l)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
		r.Sections = append(r.Sections, sections...)
	}
	r.Seconds = int(time.Since(r.At).Seconds())
	r.Others = othersShare(busyCPU()-before, time.Since(r.At))
	return r, nil
}
