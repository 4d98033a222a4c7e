package lease_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"teal/internal/lease"
	"teal/internal/store"
	"teal/internal/store/memkv"
)

const ttl = 9 * time.Second

// cut is a store whose writes can be cut off.
type cut struct {
	store.KV
	off atomic.Bool
}

var errCut = errors.New("cut off")

func (c *cut) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if c.off.Load() {
		return 0, errCut
	}
	return c.KV.Update(ctx, key, value, revision)
}

// leader is one server that wants the lease.
type leader struct {
	leads atomic.Bool
	begin chan time.Time
	end   chan time.Time
	done  chan error
	stop  context.CancelFunc
}

func newLeader(t *testing.T, name string, kv store.KV) *leader {
	l := &leader{begin: make(chan time.Time, 10), end: make(chan time.Time, 10), done: make(chan error, 1)}
	ctx, stop := context.WithCancel(t.Context())
	l.stop = stop
	own := lease.NewStored(lease.StoredConfig{KV: kv, Key: "lease.controller", Holder: name, TTL: ttl, Logger: slog.New(slog.DiscardHandler)})
	go func() {
		l.done <- own.Hold(ctx, func(ctx context.Context) error {
			l.leads.Store(true)
			l.begin <- time.Now()
			<-ctx.Done()
			l.leads.Store(false)
			l.end <- time.Now()
			return nil
		})
	}()
	return l
}

// One server leads, for as long as it likes; who stops hands over at once, and who is cut
// off stops to lead before the next one begins.
//
// Seen red with take returning without the wait for the TTL (two led), with renew that
// never gives up (two led), and without the Delete of hold (the next one waited).
func TestOneLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := memkv.New()
		link := &cut{KV: kv}
		a := newLeader(t, "a", link)
		<-a.begin
		b := newLeader(t, "b", kv)
		time.Sleep(10 * ttl)
		if b.leads.Load() || !a.leads.Load() {
			t.Fatal("the lease was taken from one that renews it")
		}
		link.off.Store(true)
		began := time.Now()
		stopped := <-a.end
		if took := <-b.begin; took.Before(stopped) || took.Sub(began) > 2*ttl {
			t.Errorf("a stopped after %s, b began after %s", stopped.Sub(began), took.Sub(began))
		}
		link.off.Store(false)
		time.Sleep(10 * ttl)
		if a.leads.Load() {
			t.Fatal("who has lost the lease leads again beside the new one")
		}
		handed := time.Now()
		b.stop()
		if err := <-b.done; err != nil {
			t.Error(err)
		}
		if waited := (<-a.begin).Sub(handed); waited != 0 {
			t.Errorf("the lease was handed over after %s", waited)
		}
		a.stop()
		if err := <-a.done; err != nil {
			t.Error(err)
		}
	})
}

// An error of who leads ends Hold with it, and the lease is free.
func TestAnErrorEndsTheLease(t *testing.T) {
	kv := memkv.New()
	failed := errors.New("failed")
	own := lease.NewStored(lease.StoredConfig{KV: kv, Key: "lease.controller", Holder: "a", Logger: slog.New(slog.DiscardHandler)})
	if err := own.Hold(t.Context(), func(context.Context) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	if _, err := kv.Get(t.Context(), "lease.controller"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the lease is still there: %v", err)
	}
}
