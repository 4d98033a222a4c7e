package cli_test

import (
	"strings"
	"testing"

	"teal"
	"teal/internal/api"
)

// A server that takes no orders says so in the status of every app. Seen red when
// the status did not ask.
func TestStatusSaysWhatIsWrongWithTheServer(t *testing.T) {
	t.Parallel()
	s := &script{world: newWorldWith(t, api.Config{Alerts: func() []teal.Alert {
		return []teal.Alert{{Message: "the disk of /var/lib/teal is full; nothing can be ordered", Blocking: true}}
	}})}
	s.quietly("deploy DIR")
	if r := s.run("status", "hello"); !strings.HasPrefix(r.out, "the disk of /var/lib/teal is full; nothing can be ordered; see `teal doctor`\n") {
		t.Errorf("status of an app: %q", r.out)
	}
}
