package daemon

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"teal"
	"teal/internal/await"
)

// lent is a lease that comes and goes.
type lent struct {
	comes chan struct{} // a value: it is this server's
	goes  chan struct{} // a value: it is not any more
	gone  chan struct{} // has a value when lead has returned
}

func (l lent) Hold(ctx context.Context, lead func(context.Context) error) error {
	for {
		select {
		case <-l.comes:
		case <-ctx.Done():
			return nil
		}
		own, lost := context.WithCancel(ctx)
		go func() {
			defer lost()
			select {
			case <-l.goes:
			case <-ctx.Done():
			}
		}()
		if err := lead(own); err != nil {
			return err
		}
		select {
		case l.gone <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
	}
}

// Releases go on only where the lease is: who loses it stops where it was, who gets
// it again takes everything up, and orders are recorded meanwhile.
//
// Seen red with the parts of the controller started outside the lease, all of them or
// the releases alone: the release left its queue.
func TestReleasesGoOnWhereTheLeaseIs(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	origin := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(origin.Close)
	l := lent{make(chan struct{}), make(chan struct{}), make(chan struct{})}
	h := startDaemon(t, t.TempDir(), func(c *Config) { c.lease = l })
	for _, word := range []string{"one", "two"} {
		out := h.deploy(h.upstreamApp("shop", origin.URL, word), true, noStandby)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		r, err := h.daemon.running.engine.Await(ctx, out.Release.ID, func(r teal.Release) bool { return r.Phase != teal.PhaseQueued })
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("without the lease: %v, phase %s", err, r.Phase)
		}
		l.comes <- struct{}{}
		h.awaitPhase("shop", teal.PhaseCompleted)
		l.goes <- struct{}{}
		await.Value(t, "the controller to stop", l.gone)
	}
	if got := h.live("shop"); got != 2 {
		t.Errorf("live is version %d", got)
	}
}
