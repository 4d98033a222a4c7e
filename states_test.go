package teal_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"teal"
)

var update = flag.Bool("update", false, "write docs/states.md anew")

const statesPage = "docs/states.md"

// meanings says what each phase is, for the page.
var meanings = map[teal.Phase]string{
	"queued":       "Recorded. Waits in the queue, for the end of a freeze, or for `BeforeInstall` hooks.",
	"provisioning": "The new version's instances start beside the current one's, within `ready_within`; then `AfterInstall` hooks.",
	"warming":      "The new version is scaled to the size that the current one has now, and is sent warm-up requests. No users.",
	"verifying":    "`AfterAllowTestTraffic` hooks, the checks, `BeforeAllowTraffic` hooks. No users.",
	"shifting":     "The new version is given its shares, step by step; each is held and judged. At 100 %: `AfterAllowTraffic` hooks. On hold while neither version is healthy.",
	"watching":     "The new version has all traffic and is judged; the one before is on standby, warm and as large as the load, for `watch.confidence` of time in which a server looked. On hold while neither is healthy.",
	"rolling-back": "The version before gets all traffic first; then the new one is drained and stopped.",
	"completed":    "The version before has been drained and stopped; beside a new one that is not healthy it is left running.",
	"rolled-back":  "The version before has all traffic again, and the new one is gone; it is left running where the version before is not healthy.",
	"aborted":      "Ended before any user met the new version, which is gone.",
}

func states() string {
	var b strings.Builder
	b.WriteString("# The phases of a release\n\nMade from the table of transitions in `phase.go`; what is not listed is refused. `go test -run TestStatesPage -update .` writes this page.\n\n```mermaid\nstateDiagram-v2\n  [*] --> queued\n")
	for _, from := range teal.Phases {
		for _, to := range from.Next() {
			fmt.Fprintf(&b, "  %s --> %s\n", from, to)
		}
		if from.Ended() {
			fmt.Fprintf(&b, "  %s --> [*]\n", from)
		}
	}
	b.WriteString("```\n\n| phase | what happens | users on the new version | may become |\n|---|---|---|---|\n")
	for _, p := range teal.Phases {
		users, next := "as live says", "–"
		if p.BeforeTraffic() || p == teal.PhaseAborted {
			users = "none"
		}
		var names []string
		for _, to := range p.Next() {
			names = append(names, string(to))
		}
		if len(names) > 0 {
			next = strings.Join(names, ", ")
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", p, meanings[p], users, next)
	}
	b.WriteString("\nPause, approval, promotion, rollback and force are orders in the record, each with who, when and why; they are no phases.\n")
	return b.String()
}

// The page says what the table says. Seen to fail with a transition added.
func TestStatesPage(t *testing.T) {
	if *update {
		if err := os.WriteFile(statesPage, []byte(states()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(statesPage)
	if err != nil || string(data) != states() {
		t.Errorf("%s is not what the table of transitions says (%v); write it with go test -run TestStatesPage -update .", statesPage, err)
	}
}
