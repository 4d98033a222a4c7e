package analysis

import (
	"time"

	"teal"
)

// block gathers what both sides did until there is something of each to compare:
// an interval may be so short that only one of them served a request. When it
// closes depends on how many requests there were and when, never on how they
// went, nor on whether they were answered, so the evidence of a block is not
// biased by its end.
type block struct {
	At     int64   `json:"at"`    // of its first data, in milliseconds
	Live   int64   `json:"live"`  // requests, answered or not
	Green  int64   `json:"green"` // the same
	Counts []count `json:"counts,omitempty"`
}

// count is what a block holds for one question. Threshold and guess are set
// before the data.
type count struct {
	Pair      pair          `json:"pair"`
	Threshold time.Duration `json:"threshold"` // of live's latency; 0 is not known yet
	Guess     float64       `json:"guess"`     // live's share of bad trials, from the past
}

const (
	// blockRequests requests on both sides close a block at once: with fewer, chance
	// makes the split of a block so uneven that evidence is lost.
	blockRequests = 4
	// blockPatience is how long a block waits for more than one request on each side.
	blockPatience = 250 * time.Millisecond
	// blockMaxAge is how old a block may get with requests of live alone: what live did
	// long before says nothing about conditions now.
	blockMaxAge = 30 * time.Second
	// requestsWithoutLive is how many requests green must have served in a row, with none on
	// live, until live is taken to have no traffic; or as many as a pass needs,
	// when that is less, so that nothing passes unseen.
	requestsWithoutLive = 50
)

// blockMode is how a block is to be judged.
type blockMode int

const (
	open         blockMode = iota // not yet
	sideBySide                    // green against live in the same time
	withoutLive                   // green against what live did before
	withoutGreen                  // nothing to judge: only live, and for too long
)

// mode says what the block has come to. quiet is how many requests green has
// served since the last one of live, and least how many a pass needs.
func (b *block) mode(at time.Time, quiet int64, least int) blockMode {
	age := time.Duration(at.UnixMilli()-b.At) * time.Millisecond
	switch fewer := min(b.Live, b.Green); {
	case fewer >= blockRequests, fewer > 0 && age >= blockPatience:
		return sideBySide
	case b.Live == 0 && quiet >= int64(min(requestsWithoutLive, least)):
		return withoutLive
	case b.Green == 0 && age >= blockMaxAge:
		return withoutGreen
	}
	return open
}

// add puts an interval in, for questions whose thresholds are set.
func (b *block) add(interval teal.Interval, questions []*question, tolerance float64) {
	b.Live += interval.Live.Received()
	b.Green += interval.Green.Received()
	for i, q := range questions {
		c := &b.Counts[i]
		switch {
		case q.kind == errorsOfLive:
			c.Pair = c.Pair.plus(pair{failed(interval.Live), failed(interval.Green)})
		case q.kind == unansweredOfLive:
			c.Pair = c.Pair.plus(pair{
				abandoned(interval.Live, c.Threshold),
				abandoned(interval.Green, tolerated(c.Threshold, tolerance)),
			})
		case c.Threshold > 0:
			c.Pair = c.Pair.plus(pair{
				slower(interval.Live, c.Threshold),
				slower(interval.Green, tolerated(c.Threshold, tolerance)),
			})
		}
	}
}

func failed(m teal.Measurement) tally { return tally{m.Requests, m.Errors} }

// abandoned counts the requests whose clients gave up after more than a
// threshold, among those and the answered ones. Who left sooner says nothing about
// the version: a person went to another page.
func abandoned(m teal.Measurement, threshold time.Duration) tally {
	bad := m.Unanswered
	for _, l := range m.Waited {
		if l.UpTo <= threshold {
			bad -= l.Count
		}
	}
	return tally{m.Requests + bad, bad}
}

// unnoticeableDelay is how much longer than live's green's requests may take whatever
// the tolerance is: nobody notices, and a process that is new, or has less to do,
// is as much slower.
const unnoticeableDelay = 2 * time.Millisecond

func tolerated(threshold time.Duration, tolerance float64) time.Duration {
	return max(time.Duration(float64(threshold)*(1+tolerance)), threshold+unnoticeableDelay)
}
