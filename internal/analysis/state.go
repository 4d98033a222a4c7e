package analysis

import (
	"encoding/json"

	"teal"
)

// stateVersion changes when an alternative means something else than before.
const stateVersion = 2

// state is a Judge's memory as it is stored.
type state struct {
	Version int `json:"v"`
	memory
	Played []questionState `json:"played"`
}

// State is what another Judge with the same policy and baseline needs to go on
// from here. It is a few kilobytes, however long the release has lasted.
func (j *Judge) State() json.RawMessage {
	s := state{Version: stateVersion, memory: j.memory}
	for _, q := range j.questions {
		s.Played = append(s.Played, q.questionState)
	}
	data, err := json.Marshal(s)
	if err != nil {
		return nil // nothing in it cannot be written
	}
	return data
}

// restore takes over a state. It believes nothing that a Judge cannot have said:
// a state that is a little wrong would be evidence.
func (j *Judge) restore(data json.RawMessage) error {
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		return teal.Errorf(teal.CodeInvalidInput, "the judge's state cannot be read: %w", err)
	}
	if s.Version != stateVersion || len(s.Played) != len(j.questions) {
		return teal.Errorf(teal.CodeInvalidInput, "the judge's state is of another policy, or of another version of Teal")
	}
	if !s.valid(len(j.compared)) {
		return teal.Errorf(teal.CodeInvalidInput, "the judge's state is damaged")
	}
	for i, q := range j.questions {
		if s.Played[i].Name != q.name || (s.Played[i].Dispersion == nil) != (q.Dispersion == nil) || !s.Played[i].valid() {
			return teal.Errorf(teal.CodeInvalidInput, "the judge's state of %q is damaged, or of another policy", q.name)
		}
		q.questionState = s.Played[i]
	}
	j.memory = s.memory
	return nil
}

func (m *memory) valid(compared int) bool {
	if m.Step < 0 || m.Answered < 0 || m.Failed < 0 || m.Failed > m.Answered || m.Unanswered < 0 || m.SinceLive < 0 || m.Block.Live < 0 || m.Block.Green < 0 {
		return false
	}
	begun := m.Block.Live > 0 || m.Block.Green > 0
	if len(m.Block.Counts) != compared && (begun || len(m.Block.Counts) > 0) {
		return false
	}
	for _, c := range m.Block.Counts {
		if !c.Pair.valid() || c.Threshold < 0 || !(c.Guess > 0 && c.Guess < 1) {
			return false
		}
	}
	return m.Total.valid() && m.Before.valid() && m.outagesFit() && m.NewErrors.Count >= int64(len(m.NewErrors.First)) &&
		(m.NewErrors.Count == 0) == (len(m.NewErrors.First) == 0)
}

// outagesFit reports whether what is kept apart was there to be kept apart.
func (m *memory) outagesFit() bool {
	o := &m.Outages
	usual := m.Total.Live.minus(o.Excluded)
	return o.valid() && usual.valid() && m.Before.plus(usual).minus(o.Pending.Answered).valid() &&
		m.Live.holds(&o.Pending.Latency) && m.LiveWaits.holds(&o.Pending.Waited) && m.LiveWaits.total >= o.Pending.Unanswered
}

func (p *questionState) valid() bool {
	return p.Evidence.valid() && p.Seen.valid() && p.WithoutLive >= 0 && (p.Dispersion == nil || p.Dispersion.valid())
}
