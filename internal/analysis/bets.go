package analysis

import (
	"encoding/json"
	"math"
	"time"

	"teal"
)

// ratios are the alternatives that are bet on, as multiples of what the
// hypothesis allows. Nobody knows beforehand how much worse a bad version is, so
// the stake is spread over them.
var ratios = [...]float64{1.3, 1.7, 2.4, 3.8, 7, 20, 1000}

// spread is how. The last ratio is for failures that live never has: they are
// few when they matter, so each must count.
var spread = [len(ratios)]float64{0.115, 0.115, 0.115, 0.115, 0.115, 0.125, 0.3}

const (
	// kept is the share of the stake that is not put in at once, so that a
	// version that turns bad later meets a bet that has not been lost yet.
	kept = 0.15
	// evenly is how many rounds of putting in more are paid for alike.
	evenly = 360
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
	wealth float64
	staked float64 // what was in after something was put in last
	rounds int     // how often something was put in
	at     int64   // when that was last, in milliseconds
	seen   pair    // what the question had seen by then
}

// paid is the share of what is kept back that has been put in after so many
// rounds: half of it goes evenly to the rounds of an hour, half more and more
// slowly for ever.
func paid(rounds int) float64 {
	further := float64(max(rounds-1, 0)) // the first round is not of what is kept
	return (math.Min(further/evenly, 1) + further/(further+1)) / 2
}

// refill puts something in at first, and again when half of the last stake is
// lost and has been for a while. It looks at the past alone.
func (b *bet) refill(at time.Time, seen pair, part float64) {
	now := at.UnixMilli()
	b.at = min(b.at, now) // clocks are set back
	if b.rounds > 0 && (b.wealth > b.staked/2 || now-b.at < again.Milliseconds()) {
		return
	}
	if b.rounds++; b.rounds == 1 {
		b.wealth = part * (1 - kept)
	} else {
		b.wealth += part * kept * (paid(b.rounds) - paid(b.rounds-1))
	}
	b.staked, b.at, b.seen = b.wealth, now, seen
}

// play settles one round: evidence returns the logarithm of the e-value of what
// happened for a ratio. seen is what the question had seen before.
func (b *bets) play(at time.Time, seen pair, evidence func(ratio float64) float64) {
	for i := range b {
		b[i].refill(at, seen, spread[i])
		// A bet that has lost everything to the last bit must not become NaN.
		factor := math.Exp(math.Min(evidence(ratios[i]), 600))
		b[i].wealth = math.Min(b[i].wealth*factor, richest)
	}
}

// value is the e-value of everything so far.
func (b *bets) value() float64 {
	sum := 0.0
	for i := range b {
		sum += b[i].wealth + spread[i]*kept*(1-paid(b[i].rounds))
	}
	if b[0].rounds == 0 {
		return 1
	}
	return math.Min(sum, richest)
}

// leader is the bet that has won most.
func (b *bets) leader() *bet {
	best := &b[0]
	for i := range b {
		if b[i].wealth > best.wealth {
			best = &b[i]
		}
	}
	return best
}

// MarshalJSON writes the bet as a list of numbers: there are dozens in a state.
func (b bet) MarshalJSON() ([]byte, error) {
	s := b.seen
	return json.Marshal([]any{b.wealth, b.staked, b.rounds, b.at, s.Live.N, s.Live.Bad, s.Green.N, s.Green.Bad})
}

// UnmarshalJSON implements json.Unmarshaler.
func (b *bet) UnmarshalJSON(data []byte) error {
	var list []float64
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	if len(list) != 8 {
		return teal.Errorf(teal.CodeInvalidInput, "%s is not a bet", data)
	}
	var whole [6]int64
	for i, v := range list[2:] {
		if math.Abs(v) > 1<<53 || v != math.Trunc(v) {
			return teal.Errorf(teal.CodeInvalidInput, "%v is not a count", v)
		}
		whole[i] = int64(v)
	}
	*b = bet{
		wealth: list[0], staked: list[1], rounds: int(whole[0]), at: whole[1],
		seen: pair{tally{whole[2], whole[3]}, tally{whole[4], whole[5]}},
	}
	return nil
}

// valid reports whether the bets can have come from play.
func (b *bets) valid() bool {
	for _, one := range b {
		for _, wealth := range []float64{one.wealth, one.staked} {
			if !(wealth >= 0 && wealth <= richest) {
				return false
			}
		}
		if one.rounds < 0 || !one.seen.valid() {
			return false
		}
	}
	return true
}

func (p pair) valid() bool { return p.Live.valid() && p.Green.valid() }

func (t tally) valid() bool { return t.Bad >= 0 && t.Bad <= t.N }
