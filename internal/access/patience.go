package access

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// Attempts slows down who tries tokens. A right token is never delayed, whoever
// else tries from the same address: a person who has to roll back must not wait for
// an attacker. With secrets of 256 bits this is not what keeps attackers out; it
// keeps them from costing much.
type Attempts struct {
	now func() time.Time

	mu      sync.Mutex
	budgets map[netip.Prefix]budget
	waiting int
}

// budget is how many wrong tokens an address may still send, as of a time.
type budget struct {
	left float64
	at   time.Time
}

// Bounds of Attempts.
const (
	freeAttempts  = 10              // wrong tokens of an address that are answered at once
	attemptEvery  = 6 * time.Second // how soon it gets one more
	attemptDelay  = 1 * time.Second // before the answer to one beyond them
	maxWaiting    = 32              // answers that are delayed at the same time
	maxBudgets    = 4096            // addresses that are remembered
	budgetIsWhole = attemptEvery * freeAttempts
)

// NewAttempts returns attempts of which none has been made. now nil is the clock.
func NewAttempts(now func() time.Time) *Attempts {
	if now == nil {
		now = time.Now
	}
	return &Attempts{now: now, budgets: map[netip.Prefix]budget{}}
}

// Failed notes that an address has sent a wrong token, and blocks for as long as it
// has to wait for its answer, at most until ctx ends. False: too many wait, and it is
// to be told to come back later.
func (a *Attempts) Failed(ctx context.Context, from netip.Addr) bool {
	a.mu.Lock()
	left := a.spend(network(from))
	if left || a.waiting >= maxWaiting {
		a.mu.Unlock()
		return left
	}
	a.waiting++
	a.mu.Unlock()
	timer := time.NewTimer(attemptDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting--
	return true
}

// spend takes one attempt from a network's budget and reports whether there was
// one. The caller holds the lock.
func (a *Attempts) spend(of netip.Prefix) bool {
	now := a.now()
	b, known := a.budgets[of]
	if !known {
		if len(a.budgets) >= maxBudgets {
			a.forgetWhole(now)
		}
		if len(a.budgets) >= maxBudgets {
			return false // so many strangers at once are one attacker
		}
		b = budget{left: freeAttempts, at: now}
	}
	b.left = min(freeAttempts, b.left+float64(now.Sub(b.at))/float64(attemptEvery))
	b.at = now
	had := b.left >= 1
	if had {
		b.left--
	}
	a.budgets[of] = b
	return had
}

// forgetWhole forgets the budgets that are whole again.
func (a *Attempts) forgetWhole(now time.Time) {
	for of, b := range a.budgets {
		if now.Sub(b.at) >= budgetIsWhole {
			delete(a.budgets, of)
		}
	}
}

// network is what counts as one address: of IPv6 a whole /64, which every host has.
func network(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	of, _ := addr.Prefix(bits) // the zero prefix for the zero address
	return of
}
