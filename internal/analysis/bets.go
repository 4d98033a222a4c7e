package analysis

import (
	"math"
	"time"
)

// ratios are the alternatives that are bet on, as multiples of what the
// hypothesis allows. Nobody knows beforehand how much worse a bad version is, so
// the stake is spread over them.
var ratios = [...]float64{1.3, 1.7, 2.4, 3.8, 7, 20, 100}

const (
	// kept is the share of the stake that is not put in at once, so that a
	// version that turns bad later meets a bet that has not been lost yet.
	kept = 0.2
	// again is how long a bet is left alone before more is put in.
	again = 10 * time.Second
	// richest bounds what a bet can win, so that it remains a number.
	richest = 1e9
)

// bets is one stake against green, spread over the ratios. Their sum with what
// is kept back starts at 1 and is a supermartingale while the hypothesis holds:
// moving money between bets does not change its expectation.
type bets [len(ratios)]bet

// bet is the part of the stake that is on one ratio.
type bet struct {
	Wealth float64 `json:"wealth"`
	Staked float64 `json:"staked"` // what was put in last
	Rounds int     `json:"rounds"` // how often something was put in
	At     int64   `json:"at"`     // when that was last, in milliseconds
	Seen   pair    `json:"seen"`   // what the question had seen by then
}

// reserve is what is still kept back for the bet: its part of kept is paid out
// in rounds of 1/2, 1/6, 1/12 …, which sum to 1.
func (b bet) reserve() float64 {
	return kept / float64(len(ratios)) / math.Max(float64(b.Rounds), 1)
}

// refill puts something in at first, and again when half of the last stake is
// lost and has been for a while. It looks at the past alone.
func (b *bet) refill(at time.Time, seen pair) {
	now := at.UnixMilli()
	if b.Rounds > 0 && (b.Wealth > b.Staked/2 || now-b.At < again.Milliseconds()) {
		return
	}
	before := b.reserve()
	b.Rounds++
	if b.Rounds == 1 {
		b.Wealth = (1 - kept) / float64(len(ratios))
	} else {
		b.Wealth += before - b.reserve()
	}
	b.Staked, b.At, b.Seen = b.Wealth, now, seen
}

// play settles one round: evidence returns the logarithm of the e-value of what
// happened for a ratio. seen is what the question had seen before.
func (b *bets) play(at time.Time, seen pair, evidence func(ratio float64) float64) {
	for i := range b {
		b[i].refill(at, seen)
		b[i].Wealth = math.Min(b[i].Wealth*math.Exp(evidence(ratios[i])), richest)
	}
}

// value is the e-value of everything so far.
func (b *bets) value() float64 {
	sum := 0.0
	for i := range b {
		sum += b[i].Wealth + b[i].reserve()
	}
	if b[0].Rounds == 0 {
		return 1
	}
	return math.Min(sum, richest)
}

// leader is the bet that has won most.
func (b *bets) leader() *bet {
	best := &b[0]
	for i := range b {
		if b[i].Wealth > best.Wealth {
			best = &b[i]
		}
	}
	return best
}

// valid reports whether the bets can have come from play.
func (b *bets) valid() bool {
	for _, one := range b {
		for _, wealth := range []float64{one.Wealth, one.Staked} {
			if !(wealth >= 0 && wealth <= richest) {
				return false
			}
		}
		if one.Rounds < 0 || !one.Seen.valid() {
			return false
		}
	}
	return true
}

func (p pair) valid() bool { return p.Live.valid() && p.Green.valid() }

func (t tally) valid() bool { return t.Bad >= 0 && t.Bad <= t.N }
