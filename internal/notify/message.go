package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"teal"
)

// message is one notification; as JSON it is the document that addresses get.
type message struct {
	Release string        `json:"release"`
	App     string        `json:"app"`
	Alias   string        `json:"alias"`
	Phase   teal.Phase    `json:"phase"`
	From    int           `json:"from"`
	To      int           `json:"to"`
	Reason  string        `json:"reason"`
	Finding *teal.Finding `json:"finding,omitempty"` // the last one
	At      time.Time     `json:"at"`

	sentence string
}

// messageOf says that a release has entered its phase.
func messageOf(r teal.Release) message {
	m := message{
		Release: r.ID, App: r.App, Alias: r.Alias, Phase: r.Phase, From: r.From, To: r.To,
		Reason: r.Reason, At: r.CreatedAt, sentence: sentence(r),
	}
	if n := len(r.Phases); n > 0 {
		m.At = r.Phases[n-1].At
	}
	if f := lastFinding(r); f != nil {
		m.Finding = f
	}
	return m
}

func lastFinding(r teal.Release) *teal.Finding {
	if len(r.Evidence) == 0 {
		return nil
	}
	last := r.Evidence[len(r.Evidence)-1]
	return &last
}

// maxText bounds the reason and the finding in a sentence, in bytes.
const maxText = 500

// sentence says for people what has become of a release, and why.
func sentence(r teal.Release) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", r.App, eventText(r))
	if r.Reason != "" {
		fmt.Fprintf(&b, ": %s", oneLine(r.Reason))
	}
	b.WriteByte('.')
	if f := lastFinding(r); f != nil && isFailure(r.Phase) && f.Verdict != teal.VerdictPass && !strings.Contains(r.Reason, f.Seen) {
		fmt.Fprintf(&b, " %s.", oneLine(f.String()))
	}
	fmt.Fprintf(&b, " (release %s)", r.ID)
	return b.String()
}

func isFailure(p teal.Phase) bool {
	return p == teal.PhaseRollingBack || p == teal.PhaseRolledBack || p == teal.PhaseAborted
}

// eventText is what the phase means for the versions.
func eventText(r teal.Release) string {
	to, from := teal.VersionName(r.To), teal.VersionName(r.From)
	switch r.Phase {
	case teal.PhaseQueued:
		return to + " is about to be released"
	case teal.PhaseProvisioning:
		return to + " is starting"
	case teal.PhaseWarming:
		return to + " is being warmed up"
	case teal.PhaseVerifying:
		return to + " is being checked before it gets traffic"
	case teal.PhaseShifting:
		return to + " starts taking traffic"
	case teal.PhaseWatching:
		return to + " has all traffic and is being monitored"
	case teal.PhaseCompleted:
		if slices.ContainsFunc(r.Phases, func(e teal.PhaseEntry) bool { return e.Phase == teal.PhaseRollingBack }) {
			return to + " could not be rolled back and keeps all traffic"
		}
		return fmt.Sprintf("the release of %s is complete", to)
	case teal.PhaseRollingBack:
		return fmt.Sprintf("%s is being rolled back", to)
	case teal.PhaseRolledBack:
		if r.From == 0 {
			return to + " was rolled back"
		}
		return fmt.Sprintf("%s was rolled back, %s has all traffic again", to, from)
	case teal.PhaseAborted:
		if r.From == 0 {
			return to + " was not released"
		}
		return fmt.Sprintf("%s was not released, %s keeps all traffic", to, from)
	}
	return fmt.Sprintf("the release of %s is %s", to, r.Phase)
}

// oneLine returns a text on one line, of at most maxText bytes, without the full
// stop at its end.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return strings.TrimSuffix(text, ".")
}

// escape is what Slack wants of texts that are no markup.
var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
