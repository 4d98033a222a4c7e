package environment

import (
	"sync/atomic"
	"testing"
	"time"

	"teal"
)

// How many instances are to stand ready may change while an environment is being
// built: the change counts.
//
// Seen red with pools that were told when they were made, before Rewarm could see
// them: one instance stood ready, for good.
func TestAChangeOfMinInstancesWhileAnEnvironmentIsBuilt(t *testing.T) {
	t.Parallel()
	m, _ := newCity(t).open(t)
	var wanted atomic.Int32
	m.cfg.MinInstances = func(string, teal.VersionRef, string) int {
		before := wanted.Swap(2)
		if before == 2 {
			return 2
		}
		changed := make(chan struct{})
		go func() { m.Rewarm(shop); close(changed) }()
		select {
		case <-changed:
		case <-time.After(200 * time.Millisecond): // it waits for us, which is right
		}
		return int(before)
	}
	if err := m.Provision(t.Context(), shop, 1); err != nil {
		t.Fatal(err)
	}
	awaitReady(t, m, 1)
	until(t, "two instances stand ready", func() bool { return m.Instances(shop, 1, "f") == 2 })
}
