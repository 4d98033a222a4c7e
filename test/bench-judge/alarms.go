package main

import (
	"errors"
	"math"
	"math/rand/v2"
	"sync"

	"teal"
	"teal/internal/analysis"
)

// An hour, a look every second.
const hour = 3600

// cell is one row of the table of false alarms.
type cell struct {
	world  world
	splits func(second int) float64 // green's share
	name   string
	runs   int
	alarms int
	rivals map[string]int
}

func steadySplit(split float64) func(int) float64 { return func(int) float64 { return split } }

// wholeRelease is a canary at 10 %, then half, then everything on green, where
// only what live did before is left to compare with.
func wholeRelease(second int) float64 {
	switch {
	case second < 600:
		return 0.1
	case second < 1200:
		return 0.5
	}
	return 1
}

// cells are all combinations of the table.
func cells() []*cell {
	equal := newLatency(1, 1)
	var list []*cell
	for _, rate := range []float64{1, 10, 100, 1000} {
		for _, split := range []float64{0.01, 0.1, 0.5, 1} {
			for _, base := range []float64{0, 0.001, 0.01} {
				for _, pattern := range []pattern{steady, bursty, diurnal} {
					c := &cell{
						world:  world{rate: rate, split: split, base: base, pattern: pattern, live: equal, green: side{same, equal}},
						splits: steadySplit(split),
					}
					if split == 1 {
						c.splits, c.name = wholeRelease, "10, 50, 100"
					}
					list = append(list, c)
				}
			}
		}
	}
	return list
}

// each calls f for every index from the last to the first, a few at a time, and
// returns an error of any.
func each(n, workers int, f func(i int) error) error {
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		errs error
	)
	next := make(chan int)
	for range workers {
		wg.Go(func() {
			for i := range next {
				err := f(i)
				mu.Lock()
				errs = errors.Join(errs, err)
				mu.Unlock()
			}
		})
	}
	for i := n - 1; i >= 0; i-- { // those with most traffic are last and take longest
		next <- i
	}
	close(next)
	wg.Wait()
	return errs
}

// measure runs every cell so many times. A judge's fail stands, so looking once
// at the end is the same as looking every second.
func measure(list []*cell, seed, stream uint64, runs, workers int) error {
	return each(len(list), workers, func(i int) (err error) {
		list[i].runs = runs
		list[i].alarms, err = list[i].alarmsIn(runs, seed, stream+uint64(i))
		return err
	})
}

// again runs the cells that had more alarms than alpha allows once more, ten
// times as often, with other draws: among so many cells chance makes some.
func again(list []*cell, seed uint64, workers int) ([]*cell, error) {
	var few []*cell
	var streams []uint64
	for i, c := range list {
		if float64(c.alarms) > alpha*float64(c.runs) {
			once := *c
			once.runs = 10 * c.runs
			few, streams = append(few, &once), append(streams, 9000+uint64(i))
		}
	}
	err := each(len(few), workers, func(i int) (err error) {
		few[i].alarms, err = few[i].alarmsIn(few[i].runs, seed, streams[i])
		return err
	})
	return few, err
}

// rivalCells are those in which the others are measured too.
func rivalCells() []*cell {
	var list []*cell
	for _, c := range cells() {
		if c.world.rate == 100 && c.world.split == 0.1 {
			list = append(list, c)
		}
	}
	return list
}

// edgeCells are those in which green is as much worse as the tolerance allows:
// there the e-values are barely fair.
func edgeCells() []*cell {
	var list []*cell
	for _, split := range []float64{0.1, 0.5} {
		for _, pattern := range []pattern{steady, bursty, diurnal} {
			equal := newLatency(1, 1)
			list = append(list, &cell{
				world: world{
					rate: 100, split: split, base: 0.01, pattern: pattern, live: equal,
					green: side{func(base float64) float64 { return 1.1 * base }, equal},
				},
				splits: steadySplit(split),
			})
		}
	}
	return list
}

// measureRivals lets the judges that know no alternative watch the same equal
// versions for an hour.
func measureRivals(list []*cell, seed uint64, runs, workers int) error {
	return each(len(list), workers, func(i int) error {
		c := list[i]
		c.runs, c.rivals = runs, map[string]int{}
		for run := range runs {
			r := rand.New(rand.NewPCG(seed+uint64(run)<<20, 2000+uint64(i)))
			mine, err := newOurs(c.world.before(r), teal.Judging{Compare: teal.AliasLive})
			if err != nil {
				return err
			}
			running := map[string]judge{byTeal: mine, byThreshold: newThreshold(c.world.base, c.world.live), byRanks: &mannWhitney{}}
			for n := range hour {
				interval := c.world.second(r, n, c.splits(n))
				for name, j := range running {
					if j.worse(interval) {
						c.rivals[name]++
						delete(running, name)
					}
				}
			}
		}
		return nil
	})
}

func (c *cell) alarmsIn(runs int, seed, stream uint64) (int, error) {
	alarms := 0
	for run := range runs {
		r := rand.New(rand.NewPCG(seed+uint64(run)<<20, stream))
		judge, err := analysis.New(analysis.Beginning{Policy: teal.Judging{Compare: teal.AliasLive}, Baseline: c.world.before(r)})
		if err != nil {
			return 0, err
		}
		for n := range hour {
			judge.Add(c.world.second(r, n, c.splits(n)))
		}
		if judge.Judgement(start).Verdict == teal.VerdictFail {
			alarms++
		}
	}
	return alarms, nil
}

// upper is the largest rate that so few alarms can be of, with a certainty of
// 97.5 % (Clopper and Pearson).
func upper(alarms, runs int) float64 {
	low, high := float64(alarms)/float64(runs), 1.0
	for range 50 {
		p := (low + high) / 2
		sum := 0.0
		for k := range alarms + 1 {
			sum += math.Exp(logFactorials(float64(runs), 0) - logFactorials(float64(k), float64(runs-k)) +
				float64(k)*math.Log(p) + float64(runs-k)*math.Log1p(-p))
		}
		if sum > 0.025 {
			low = p
		} else {
			high = p
		}
	}
	return high
}
