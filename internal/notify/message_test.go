package notify

import (
	"strings"
	"testing"

	"teal"
)

func TestSentences(t *testing.T) {
	t.Parallel()
	bad := teal.Finding{Name: "error rate", Seen: "21 % against 1 %", Verdict: teal.VerdictFail}
	for _, c := range []struct {
		r    teal.Release
		want string
	}{
		{teal.Release{Phase: teal.PhaseQueued}, "shop: v7 is about to be released. (release shop-12)"},
		{teal.Release{Phase: teal.PhaseVerifying, Reason: "it is healthy."}, "shop: v7 is being checked before it gets traffic: it is healthy. (release shop-12)"},
		{teal.Release{Phase: teal.PhaseRolledBack, From: 6, Reason: "error rate", Evidence: []teal.Finding{bad}},
			"shop: v7 was rolled back, v6 has all traffic again: error rate. error rate: fail: 21 % against 1 %. (release shop-12)"},
		{teal.Release{Phase: teal.PhaseRolledBack, From: 6, Reason: "21 % against 1 %", Evidence: []teal.Finding{bad}},
			"shop: v7 was rolled back, v6 has all traffic again: 21 % against 1 %. (release shop-12)"},
		{teal.Release{Phase: teal.PhaseAborted}, "shop: v7 was not released. (release shop-12)"},
		{teal.Release{Phase: teal.PhaseCompleted, Evidence: []teal.Finding{bad}}, "shop: the release of v7 is complete. (release shop-12)"},
		{teal.Release{Phase: teal.PhaseCompleted, Phases: []teal.PhaseEntry{{Phase: teal.PhaseRollingBack}}},
			"shop: v7 could not be rolled back and keeps all traffic. (release shop-12)"},
		{teal.Release{Phase: teal.PhaseWatching, Reason: strings.Repeat("ö\n", 1000)},
			"shop: v7 has all traffic and is being monitored: " + strings.Repeat("ö ", 166) + "ö…. (release shop-12)"},
	} {
		c.r.ID, c.r.App, c.r.To = "shop-12", "shop", 7
		if got := sentence(c.r); got != c.want {
			t.Errorf("the sentence is\n%s\nexpected\n%s", got, c.want)
		}
	}
	for _, phase := range teal.Phases {
		if got := sentence(teal.Release{App: "shop", ID: "shop-12", To: 7, Phase: phase}); strings.Contains(got, "is "+string(phase)+".") {
			t.Errorf("the phase %s has no words of its own: %s", phase, got)
		}
	}
}

func TestHostAloneIsShown(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://me:s3cret@hooks.example.com/T0/B0/s3cret?key=s3cret": "hooks.example.com",
		"http://[s3cret": "an address that cannot be read",
		"s3cret":         "an address that cannot be read",
	} {
		if got := host(address); got != want {
			t.Errorf("of %s %q is shown", address, got)
		}
	}
}
