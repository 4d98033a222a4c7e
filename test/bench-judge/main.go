// Command bench-judge measures how often Teal's judge rolls a green back that is
// no worse, and how long it takes to roll back one that is.
//
//	go run ./test/bench-judge [-runs N] [-delays N] [-seed N] [-write DIR]
//
// Releases are simulated, a second at a time, by drawing what happened from
// exact binomial distributions; the judge is the one that the server has. The
// same seed gives the same numbers. With -write the page and the picture of
// docs/ are written too.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench-judge:", err)
		os.Exit(1)
	}
}

type options struct {
	runs, delays, workers int
	seed                  uint64
	write                 string
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench-judge", flag.ContinueOnError)
	flags.IntVar(&o.runs, "runs", 20, "simulated hours of equal versions in each cell")
	flags.IntVar(&o.delays, "delays", 100, "simulated releases of each worse version")
	flags.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "how many run at the same time")
	flags.Uint64Var(&o.seed, "seed", 1, "the seed of all draws")
	flags.StringVar(&o.write, "write", "", "also write judging.md and judging.svg into this `directory`")
	return o, flags.Parse(args)
}

func run(args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	begun := time.Now()
	all, few, edge, list := cells(), rivalCells(), edgeCells(), regressions()
	steps := []struct {
		name string
		run  func() error
	}{
		{"worse versions", func() error { return measureDelays(list, o.seed, o.delays, o.workers) }},
		{"equal versions, rivals too", func() error { return measureRivals(few, o.seed, min(o.runs, 40), o.workers) }},
		{"versions at the edge of the tolerance", func() error { return measure(edge, o.seed, 3000, 4*o.runs, o.workers) }},
		{"equal versions", func() error { return measure(all, o.seed, 0, o.runs, o.workers) }},
	}
	for _, step := range steps {
		fmt.Fprintf(os.Stderr, "%s …\n", step.name)
		if err := step.run(); err != nil {
			return err
		}
	}
	took := time.Since(begun).Round(time.Second)
	p := page{
		Date: begun.UTC().Format(time.DateOnly), Took: took, Runs: o.runs, Delays: o.delays, HourRuns: min(o.runs, 40),
		Alarms: alarmTable(all), Summary: alarmSummary(all), Rivals: rivalTable(few), Edge: edgeTable(edge), Delay: delayTable(list), Misses: misses(all, list),
	}
	fmt.Fprintf(os.Stdout, "%s\n%s\n\n%s\n%s\n%s\n%s\n", p.Misses, p.Summary, p.Alarms, p.Edge, p.Rivals, p.Delay)
	if o.write == "" {
		return nil
	}
	drawn, needed, err := traces(o.seed)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.write, "judging.svg"), []byte(picture(drawn, needed, list)), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.write, "judging.md"), []byte(p.String()), 0o644)
}
