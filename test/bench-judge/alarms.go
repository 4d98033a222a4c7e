package main

import (
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

// measure runs every cell so many times. A judge's fail stands, so looking once
// at the end is the same as looking every second.
func measure(list []*cell, seed uint64, runs, workers int, progress func(done int)) error {
	var (
		mu   sync.Mutex
		done int
		errs error
		wg   sync.WaitGroup
	)
	next := make(chan int)
	for range workers {
		wg.Go(func() {
			for n := range next {
				alarms, err := list[n].alarmsIn(runs, seed, uint64(n))
				mu.Lock()
				list[n].runs, list[n].alarms = runs, alarms
				if done++; err != nil {
					errs = err
				}
				progress(done)
				mu.Unlock()
			}
		})
	}
	for n := len(list) - 1; n >= 0; n-- { // those with most traffic take longest
		next <- n
	}
	close(next)
	wg.Wait()
	return errs
}

func (c *cell) alarmsIn(runs int, seed, stream uint64) (int, error) {
	alarms := 0
	for run := range runs {
		r := rand.New(rand.NewPCG(seed+uint64(run)<<20, stream))
		judge, err := analysis.New(teal.Judging{Compare: teal.AliasLive}, c.world.before(r), nil)
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
