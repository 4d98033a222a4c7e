package analysis

import (
	"encoding/json"

	"teal"
)

// stateVersion changes when a bet means something else than before.
const stateVersion = 2

// state is a Judge's memory as it is stored.
type state struct {
	Version int `json:"v"`
	memory
	Played []played `json:"played"`
}

// State is what another Judge with the same policy and baseline needs to go on
// from here. It is a few kilobytes, however long the release has lasted.
func (j *Judge) State() json.RawMessage {
	s := state{Version: stateVersion, memory: j.memory}
	for _, q := range j.questions {
		s.Played = append(s.Played, q.played)
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
		if s.Played[i].Name != q.name || (s.Played[i].Lumps == nil) != (q.Lumps == nil) || !s.Played[i].valid() {
			return teal.Errorf(teal.CodeInvalidInput, "the judge's state of %q is damaged, or of another policy", q.name)
		}
		q.played = s.Played[i]
	}
	j.memory = s.memory
	return nil
}

func (m *memory) valid(compared int) bool {
	if m.Step < 0 || m.Since < 0 || m.Failed < 0 || m.Failed > m.Since || m.Gone < 0 || m.Quiet < 0 || m.Block.Live < 0 || m.Block.Green < 0 {
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
	return m.Total.valid() && m.Before.valid() && m.outagesFit() && m.Fresh.Count >= int64(len(m.Fresh.First)) &&
		(m.Fresh.Count == 0) == (len(m.Fresh.First) == 0)
}

// outagesFit reports whether what is kept apart was there to be kept apart.
func (m *memory) outagesFit() bool {
	o := &m.Outages
	usual := m.Total.Live.minus(o.Apart)
	return o.valid() && usual.valid() && m.Before.plus(usual).minus(o.Newest.Did).valid() &&
		m.Live.holds(&o.Newest.Latency) && m.LiveGone.holds(&o.Newest.Waited) && m.LiveGone.total >= o.Newest.Gone
}

func (p *played) valid() bool {
	return p.Bets.valid() && p.Seen.valid() && p.Alone >= 0 && (p.Lumps == nil || p.Lumps.valid())
}
