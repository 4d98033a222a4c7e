package natskv

import (
	"strings"
	"testing"

	"teal"
)

// What people are told, by how the store is.
func TestDiskAlerts(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	well := Health{Writable: true, Dir: "/data/store", Free: 900 * mib, Total: 1000 * mib}
	low, full, broken := well, well, well
	low.Low, low.Free = true, 100*mib
	full.Writable, full.Full, full.Low, full.Free = false, true, true, 3*mib
	broken.Writable = false
	for _, c := range []struct {
		name     string
		health   Health
		code     teal.AlertCode
		blocking bool
		says     []string
	}{
		{"well", well, "", false, nil},
		{"low", low, teal.AlertDiskNearlyFull, false, []string{"/data/store", "less than 128MiB", "nearly full"}},
		{"full", full, teal.AlertStoreReadOnly, true, []string{"/data/store", "less than 4MiB", "rolled back"}},
		{"broken", broken, teal.AlertStoreReadOnly, true, []string{"/data/store", "cannot be written"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			alert, bad := readOnlyAlert(c.health)
			lowOne, isLow := lowAlert(c.health)
			if bad && isLow {
				t.Error("two alerts of one thing")
			}
			if isLow {
				alert = lowOne
			}
			if alert.Code != c.code || alert.Blocking != c.blocking || (c.code != "") != (alert.Remedy != "") {
				t.Errorf("%+v", alert)
			}
			for _, want := range c.says {
				if !strings.Contains(alert.Message, want) {
					t.Errorf("%q does not say %q", alert.Message, want)
				}
			}
			// Seen red with the free bytes as they are: each second was a new alert, and a line
			// in the log.
			nearly := c.health
			nearly.Free -= 1000
			again, _ := readOnlyAlert(nearly)
			lowAgain, _ := lowAlert(nearly)
			if isLow {
				again = lowAgain
			}
			if again.Message != alert.Message {
				t.Errorf("%q is said anew as %q", alert.Message, again.Message)
			}
		})
	}
}
