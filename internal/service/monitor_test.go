package service

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// drive runs a monitor over a health machine under synctest's clock and returns
// when its checks began. answer gives the result of the nth check.
func drive(t *testing.T, p policy, recheck chan struct{}, d time.Duration, answer func(n int) error) []time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var h health
	var at []time.Duration
	h.started()
	began := time.Now()
	monitor{
		check: func(context.Context) error {
			at = append(at, time.Since(began))
			return answer(len(at))
		},
		recheck: recheck,
		begin:   func() int { return h.doubts },
		report: func(token int, err error) time.Duration {
			if err == nil {
				h.passed(token)
			} else {
				h.failed(p.failures)
			}
			return h.delay(p)
		},
	}.run(ctx)
	return at
}

func ms(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }

func TestMonitorIsFastWhileStartingAndCalmWhenHealthy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		at := drive(t, policy{interval: time.Second, failures: 3}, nil, 3*time.Second, func(n int) error {
			if n < 5 {
				return errors.New("not yet")
			}
			return nil
		})
		want := []time.Duration{0, ms(10), ms(22.5), ms(38.125), ms(57.65625), ms(1057.65625), ms(2057.65625)}
		if !slices.Equal(at, want) {
			t.Errorf("checks at %v, want %v", at, want)
		}
	})
}

// Seen to fail without the first wait in run: a storm of failed connections
// then is a storm of checks.
func TestMonitorChecksAtOnceButNotInAStorm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		recheck := make(chan struct{}, 1)
		go func() {
			time.Sleep(500 * time.Millisecond)
			for range 1000 { // over 100 ms
				select {
				case recheck <- struct{}{}:
				default:
				}
				time.Sleep(100 * time.Microsecond)
			}
		}()
		at := drive(t, policy{interval: time.Minute, failures: 3}, recheck, 10*time.Second, func(int) error { return nil })
		if len(at) < 2 || at[1] != 500*time.Millisecond {
			t.Fatalf("checks at %v; want one at once after 500ms", at)
		}
		if len(at) < 10 || len(at) > 13 {
			t.Errorf("%d checks in 100ms of failed connections: %v", len(at), at)
		}
	})
}

func TestMonitorEndsInTheMiddleOfACheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		monitor{
			check:  func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
			begin:  func() int { return 0 },
			report: func(int, error) time.Duration { t.Error("a check that was cut short was reported"); return 0 },
		}.run(ctx)
		if took := time.Since(began); took != time.Second {
			t.Errorf("ended after %s", took)
		}
	})
}

func TestRestarterIsNotHot(t *testing.T) {
	t.Parallel()
	var r restarter
	var got []time.Duration
	for range 5 {
		got = append(got, r.delay(50*time.Millisecond))
	}
	got = append(got, r.delay(time.Hour), r.delay(0))
	want := []time.Duration{0, ms(200), ms(400), ms(800), ms(1600), 0, ms(200)}
	if !slices.Equal(got, want) {
		t.Errorf("delays %v, want %v", got, want)
	}
}
