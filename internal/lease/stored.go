package lease

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"teal/internal/store"
)

// DefaultTTL is how long a lease lasts after its holder has renewed it last.
const DefaultTTL = 10 * time.Second

// renewals is how many renewals a holder may miss; it gives up one of them earlier, and so
// before anybody else takes the lease.
const renewals = 3

// Stored is a lease in a record that all servers of a store see. The holder renews it;
// who has seen it unchanged for the whole TTL, by a clock of its own, takes it over. So
// clocks of two machines are never compared.
//
// A holder that has been cut off ends its context before the lease can be another's, and
// what it had begun to write before is refused by its revision when it arrives: whoever
// holds the lease next writes the same records, by compare-and-swap, before it goes on.
type Stored struct{ cfg StoredConfig }

// StoredConfig says which lease.
type StoredConfig struct {
	KV     store.KV
	Key    string
	Holder string        // the name of this server, another one for each
	TTL    time.Duration // the same on all servers; 0 is DefaultTTL
	Logger *slog.Logger
}

// NewStored returns a lease that nobody holds by it.
func NewStored(cfg StoredConfig) Stored {
	cfg.TTL = cmp.Or(cfg.TTL, DefaultTTL)
	return Stored{cfg}
}

// term is the record of a lease.
type term struct {
	Holder string `json:"holder"`
	Beat   int    `json:"beat"`
}

// Hold implements [Lease].
func (s Stored) Hold(ctx context.Context, lead func(ctx context.Context) error) error {
	for ctx.Err() == nil {
		began := time.Now()
		revision, err := s.take(ctx)
		if err != nil {
			if ctx.Err() == nil {
				s.cfg.Logger.Warn("the lease cannot be taken; trying again", "lease", s.cfg.Key, "error", err)
			}
			_ = sleep(ctx, s.cfg.TTL/renewals)
			continue
		}
		if err := s.hold(ctx, held{revision, began}, lead); err != nil {
			return err
		}
	}
	return nil
}

// held is a lease that is this server's.
type held struct {
	revision uint64
	renewed  time.Time // before the write began that renewed it last
}

// hold calls lead for as long as the lease can be renewed, and gives it back after that.
func (s Stored) hold(ctx context.Context, h held, lead func(ctx context.Context) error) error {
	s.cfg.Logger.Info("this server leads", "lease", s.cfg.Key)
	own, lose := context.WithCancel(ctx)
	defer lose()
	ended := make(chan error, 1)
	go func() { ended <- lead(own) }()
	isHeld, err := s.renew(own, &h, ended)
	lose()
	if errors.Is(err, errLeads) {
		err = <-ended
	}
	if !isHeld {
		s.cfg.Logger.Warn("this server does not lead any more: it could not renew the lease", "lease", s.cfg.Key)
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.TTL/renewals)
	defer cancel()
	if giveErr := s.cfg.KV.Delete(ctx, s.cfg.Key, h.revision); giveErr != nil {
		s.cfg.Logger.Debug("the lease ends by itself", "lease", s.cfg.Key, "error", giveErr)
	}
	return err
}

// errLeads is that lead has not returned yet.
var errLeads = errors.New("lease: it still leads")

// renew renews the lease until ctx ends or lead has, and returns the error of lead, or
// errLeads; or until the lease may be another's, and then false.
func (s Stored) renew(ctx context.Context, h *held, ended <-chan error) (isHeld bool, err error) {
	every := s.cfg.TTL / renewals
	for beat := 1; ; beat++ {
		select {
		case <-ctx.Done():
			return true, errLeads
		case err := <-ended:
			return true, err
		case <-time.After(every):
		}
		began := time.Now()
		limited, cancel := context.WithTimeout(ctx, every/2)
		revision, err := s.write(limited, beat, h.revision)
		cancel()
		switch {
		case err == nil:
			h.revision, h.renewed = revision, began
		case ctx.Err() != nil:
			return true, errLeads
		case errors.Is(err, store.ErrConflict) || time.Since(h.renewed) >= (renewals-1)*every:
			return false, errLeads
		}
	}
}

// take blocks until the lease is this server's, and returns its revision.
func (s Stored) take(ctx context.Context) (uint64, error) {
	watch, err := s.cfg.KV.Watch(ctx, s.cfg.Key)
	if err != nil {
		return 0, err
	}
	defer watch.Stop()
	revision := uint64(0)
	if len(watch.Snapshot) > 0 {
		revision = watch.Snapshot[0].Revision
	}
	for {
		if revision == 0 {
			revision, err := s.write(ctx, 0, 0)
			if !errors.Is(err, store.ErrExists) {
				return revision, err
			}
		}
		waiting, cancel := context.WithTimeout(ctx, s.cfg.TTL)
		event, err := watch.Next(waiting)
		over := waiting.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case err == nil && event.Deleted:
			revision = 0
		case err == nil:
			revision = event.Revision
		case over && revision != 0: // nobody has renewed it
			taken, err := s.write(ctx, 0, revision)
			if !errors.Is(err, store.ErrConflict) {
				return taken, err
			}
		case !over:
			return 0, err
		}
	}
}

// write writes the record over a revision; 0 makes it.
func (s Stored) write(ctx context.Context, beat int, revision uint64) (uint64, error) {
	data, err := json.Marshal(term{s.cfg.Holder, beat})
	if err != nil {
		return 0, err
	}
	// A lease of a newer Teal is taken over like any other: nothing of it is to be kept.
	data = store.WithNumber(data, 1)
	if revision == 0 {
		return s.cfg.KV.Create(ctx, s.cfg.Key, data)
	}
	return s.cfg.KV.Update(ctx, s.cfg.Key, data, revision)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}
