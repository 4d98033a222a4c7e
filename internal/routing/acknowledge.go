package routing

import (
	"sync"
	"time"

	"teal/internal/store"
)

// Acknowledgements are what gateways have said to have in force. An alias holds
// when every gateway that is live follows it. Safe for concurrent use; nothing in it
// blocks.
type Acknowledgements struct {
	now func() time.Time

	mu       sync.Mutex
	gateways map[string]*acknowledged
}

// acknowledged is what one gateway has said.
type acknowledged struct {
	until     time.Time // it counts as live before; zero: for as long as this process
	revisions map[store.AliasKey]uint64
}

// NewAcknowledgements returns those of no gateway; now is the clock by which leases
// of gateways end.
func NewAcknowledgements(now func() time.Time) *Acknowledgements {
	return &Acknowledgements{now: now, gateways: map[string]*acknowledged{}}
}

// Live says that a gateway may serve until a time, zero for as long as this process
// runs. A gateway that has not renewed this by then must not serve any more: nobody
// waits for it.
func (a *Acknowledgements) Live(gateway string, until time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.of(gateway).until = until
}

// of returns what a gateway has said. The caller holds mu.
func (a *Acknowledgements) of(gateway string) *acknowledged {
	own := a.gateways[gateway]
	if own == nil {
		own = &acknowledged{revisions: map[store.AliasKey]uint64{}}
		a.gateways[gateway] = own
	}
	return own
}

// Applied says that no request that a gateway takes from now on follows an older
// revision of an alias; revision 0 is that there is no such alias.
func (a *Acknowledgements) Applied(gateway string, key store.AliasKey, revision uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if own := a.of(gateway); revision == 0 {
		delete(own.revisions, key)
	} else {
		own.revisions[key] = revision
	}
}

// Hold reports whether every live gateway has applied the revision of an alias, or a
// newer one.
func (a *Acknowledgements) Hold(key store.AliasKey, revision uint64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, own := range a.gateways {
		isLive := own.until.IsZero() || a.now().Before(own.until)
		if isLive && own.revisions[key] < revision {
			return false
		}
	}
	return true
}
