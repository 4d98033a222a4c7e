package main

import (
	"context"
	"fmt"
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
	promote, rollback       []time.Duration // the commands
	callPromote             []time.Duration // the API, over a keep-alive connection
	callRollback            []time.Duration
	created, shift, goBack  []time.Duration // from the records of the releases
	version, rollbackToLive []time.Duration // as the gateway's clients see it
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
	m.callPromote = append(m.callPromote, time.Since(start))
	seen, err := w.await(start, "2")
	if err != nil {
		return err
	}
	m.version = append(m.version, seen)
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
	m.rollbackToLive = append(m.rollbackToLive, seen)
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
	if r == nil || r.Order == nil || r.ShiftedAt == nil {
		return fmt.Errorf("the record of the release lacks its times: %+v", r)
	}
	at := map[teal.Phase]time.Time{}
	for _, step := range r.Steps {
		at[step.Phase] = step.At
	}
	m.created = append(m.created, r.ShiftedAt.Sub(r.CreatedAt))
	m.shift = append(m.shift, r.ShiftedAt.Sub(at[teal.PhaseShifting]))
	m.goBack = append(m.goBack, at[teal.PhaseRollingBack].Sub(r.Order.At))
	return nil
}

func (m *switching) sections() []section {
	in := func(name string, times []time.Duration, goal float64) row {
		return measured(name, "ms", durations(times, time.Millisecond), goal)
	}
	return []section{{
		Title: "Switch and rollback",
		Rows: []row{
			in("teal promote, the whole command", m.promote, 50),
			in("teal rollback, the whole command", m.rollback, 50),
			in("switch in the server: decision to switched", m.shift, 1),
			in("rollback in the server: order to switched", m.goBack, 1),
			in("promotion in the server: recorded to switched", m.created, 0),
			in("promotion seen by a client: order to green's first answer", m.version, 0),
			in("rollback seen by a client: order to blue's first answer", m.rollbackToLive, 0),
			in("API call promote (records the release)", m.callPromote, 0),
			in("API call rollback (until live points back)", m.callRollback, 0),
		},
		Notes: []string{
			"All is warm: green runs as preview before each promotion, blue stands by before each rollback.",
			"\"In the server\" are the times in the release's record: from the step `shifting` to the step `watching`, and from the order to the step `rolling-back`. Both hold the durable writes around the switch, each synced to the disk; the new table itself is the next section.",
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
