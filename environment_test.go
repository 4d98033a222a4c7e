package teal_test

import (
	"testing"

	"teal"
)

// Who is current and who is new, from the first start of a release to its end. Seen red
// without the standby of a release that is monitored, and with a queued release that
// counts.
func TestVersionRoleOf(t *testing.T) {
	t.Parallel()
	split := []teal.Target{{Version: 7, Weight: teal.All / 2}, {Version: 8, Weight: teal.All / 2}}
	release := func(phase teal.Phase) *teal.Release { return &teal.Release{From: 7, To: 8, Phase: phase} }
	for _, c := range []struct {
		what       string
		live       []teal.Target
		active     *teal.Release
		v6, v7, v8 teal.VersionRole
	}{
		{"nothing live", nil, nil, "", "", ""},
		{"the first release", nil, &teal.Release{To: 8, Phase: teal.PhaseProvisioning}, "", "", "new"},
		{"no release", teal.Only(7), nil, "", "current", ""},
		{"queued", teal.Only(7), release(teal.PhaseQueued), "", "current", ""},
		{"starting", teal.Only(7), release(teal.PhaseProvisioning), "", "current", "new"},
		{"shifting", split, release(teal.PhaseShifting), "", "current", "new"},
		{"monitored", teal.Only(8), release(teal.PhaseWatching), "", "standby", "new"},
		{"going back", teal.Only(7), release(teal.PhaseRollingBack), "", "current", "new"},
		{"gone back", teal.Only(7), release(teal.PhaseRolledBack), "", "current", ""},
		{"completed", teal.Only(8), release(teal.PhaseCompleted), "", "", "current"},
		{"split by hand", split, nil, "", "current", "new"},
	} {
		for version, want := range map[int]teal.VersionRole{6: c.v6, 7: c.v7, 8: c.v8} {
			if got := teal.VersionRoleOf(version, teal.Alias{Targets: c.live}, c.active); got != want {
				t.Errorf("%s: v%d is %q, want %q", c.what, version, got, want)
			}
		}
	}
}
