package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"teal"
	"teal/internal/api"
)

const switchRounds = 25

const switchManifest = `
app: shop
functions:
  web: {runtime: provided, code: ./web}
routes:
  - {path: /, to: web}
`

// switching is what the rounds of switches and rollbacks gave.
type switching struct {
	promote, rollback, nothing []time.Duration // commands
	callRollback               []time.Duration // the API, over a keep-alive connection
	shift, goBack, swap        []time.Duration // from the records of the release and the alias
	seenGreen, seenBlue        []time.Duration // as a client of the gateway sees it
	synced                     []time.Duration // what one durable write costs here
}

// measureSwitches promotes and rolls back, by turns with the command line and
// with the API. Before each promotion green runs as preview; before each
// rollback blue stands by.
func measureSwitches(ctx context.Context, l *lab) ([]section, error) {
	s, err := l.server(ctx)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	var green string
	for i, args := range [][]string{{"deploy"}, {"deploy", "--no-release"}} {
		mark := fmt.Sprint("version ", i+1)
		if green, err = l.app(switchManifest, map[string]string{"web/bootstrap": linkTo + l.fn, "web/mark": mark}); err != nil {
			return nil, err
		}
		if _, err := s.run(ctx, append(args, green)...); err != nil {
			return nil, err
		}
	}
	var m switching
	for range switchRounds {
		if err := m.compare(ctx, s); err != nil {
			return nil, err
		}
		for _, round := range []func(context.Context, *server) error{m.byCommand, m.byCall} {
			if _, err := s.run(ctx, "deploy", "--no-release", green); err != nil {
				return nil, err
			}
			if err := s.awaitVersion(ctx, 2, string(api.StatePreview)); err != nil {
				return nil, err
			}
			if err := round(ctx, s); err != nil {
				return nil, err
			}
			if err := s.awaitVersion(ctx, 2, ""); err != nil {
				return nil, err
			}
		}
	}
	return m.sections(), nil
}

// compare measures what the other figures are made of: a command that does
// nothing, and a durable write.
func (m *switching) compare(ctx context.Context, s *server) (err error) {
	took, err := s.run(ctx, "version")
	if err != nil {
		return err
	}
	m.nothing = append(m.nothing, took)
	f, err := os.OpenFile(filepath.Join(s.data, "bench"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	start := time.Now()
	if _, err := f.Write(make([]byte, 1500)); err != nil { // as large as a release's record
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	m.synced = append(m.synced, time.Since(start))
	return nil
}

// byCommand is one round with the command line.
func (m *switching) byCommand(ctx context.Context, s *server) error {
	took, err := s.run(ctx, "promote", "shop")
	if err != nil {
		return err
	}
	m.promote = append(m.promote, took)
	if err := s.awaitVersion(ctx, 1, string(api.StateStandby)); err != nil {
		return err
	}
	took, err = s.run(ctx, "rollback", "shop")
	if err != nil {
		return err
	}
	m.rollback = append(m.rollback, took)
	return m.read(ctx, s)
}

// byCall is one round with the API, while a client looks whose answers it gets.
func (m *switching) byCall(ctx context.Context, s *server) error {
	w, err := newWitness(s.http)
	if err != nil {
		return err
	}
	defer w.close()
	start := time.Now()
	release, err := s.client.Promote(ctx, "shop", api.PromoteBody{})
	if err != nil {
		return err
	}
	seen, err := w.await(start, "2")
	if err != nil {
		return err
	}
	m.seenGreen = append(m.seenGreen, seen)
	if err := s.awaitVersion(ctx, 1, string(api.StateStandby)); err != nil {
		return fmt.Errorf("release %s: %w", release.ID, err)
	}
	return m.callBack(ctx, s, w)
}

func (m *switching) callBack(ctx context.Context, s *server, w *witness) error {
	answered := make(chan error, 1)
	start := time.Now()
	go func() {
		_, err := s.client.Rollback(ctx, "shop", api.RollbackBody{})
		m.callRollback = append(m.callRollback, time.Since(start))
		answered <- err
	}()
	seen, err := w.await(start, "1")
	if rollback := <-answered; rollback != nil {
		return rollback
	}
	if err != nil {
		return err
	}
	m.seenBlue = append(m.seenBlue, seen)
	return m.read(ctx, s)
}

// read takes the server's own times out of the record of the release that has
// just ended.
func (m *switching) read(ctx context.Context, s *server) error {
	status, err := s.client.Status(ctx, "shop")
	if err != nil {
		return err
	}
	r := status.Release
	if r == nil || r.Commands.Rollback == nil || r.ShiftedAt == nil {
		return fmt.Errorf("the record of the release lacks its times: %+v", r)
	}
	at := map[teal.Phase]time.Time{}
	for _, entry := range r.Phases {
		at[entry.Phase] = entry.At
	}
	m.shift = append(m.shift, r.ShiftedAt.Sub(at[teal.PhaseShifting]))
	m.goBack = append(m.goBack, at[teal.PhaseRollingBack].Sub(r.Commands.Rollback.At))
	m.swap = append(m.swap, at[teal.PhaseRollingBack].Sub(status.Aliases[teal.AliasLive].UpdatedAt))
	return nil
}

func (m *switching) sections() []section {
	in := func(name string, times []time.Duration, goal float64) row {
		return measured(name, "ms", durations(times, time.Millisecond), goal)
	}
	written := figure(durations(m.synced, time.Millisecond).median(), "ms")
	return []section{{
		Title: "Switch and rollback",
		Rows: []row{
			in("teal promote, the whole command", m.promote, 50),
			in("teal rollback, the whole command", m.rollback, 50),
			in("in the server: green is healthy, to: green has everything", m.shift, 1).because("Four synced writes of records stand between the two, at about %s each on this disk, and the reads before them.", written),
			in("in the server: order to roll back, to: blue has everything", m.goBack, 1).because("Three synced writes of records stand between the two, at about %s each on this disk, and the reads before them; the switch itself is one of them.", written),
			in("in the server: the switch itself, of a rollback", m.swap, 1),
			in("a client of the gateway: promotion asked for, to: green answers", m.seenGreen, 0),
			in("a client of the gateway: rollback asked for, to: blue answers", m.seenBlue, 0),
			in("API call that rolls back, to its answer", m.callRollback, 0),
			in("for comparison: a command that does nothing, teal version", m.nothing, 0),
			in("for comparison: 1.5 kB written to this disk and synced", m.synced, 0),
		},
		Notes: []string{
			"All is warm: green runs as preview before each promotion, blue stands by before each rollback.",
			"In the server: the times in the release's record, which the server takes from its own clock. Green: from the step `shifting` to the step `watching`. Blue: from the order to the step `rolling-back`. The switch itself: from the moment at which the alias is about to be written to that step, which is one synced write, the new table and the swap.",
			"Each decision is on the disk before it is acted upon, so that a crash at any moment ends well: four synced writes stand between the two ends for green, three for blue. No request waits for them.",
			"The command counts as done when its process has ended; blue has begun to answer long before.",
		},
	}}
}

// witness is a client on one connection that looks which version answers.
type witness struct{ *wire }

func newWitness(address string) (*witness, error) {
	w, err := dial(address, "/")
	return &witness{w}, err
}

// await asks until the version answers, and returns how long after start that
// was.
func (w *witness) await(start time.Time, version string) (time.Duration, error) {
	for time.Since(start) < 10*time.Second {
		if _, err := w.ask(); err != nil {
			return 0, err
		}
		if w.version == version {
			return time.Since(start), nil
		}
	}
	return 0, fmt.Errorf("version %s has not answered within 10s", version)
}
