package analysis

import (
	"encoding/json"
	"math"
	"time"

	"teal"
)

// ratios are the alternatives that are tested, as multiples of what the
// hypothesis allows. Nobody knows beforehand how much worse a bad version is, so
// the e-process is a mixture over them.
var ratios = [...]float64{1.3, 1.7, 2.4, 3.8, 7, 20, 1000}

// initialShares are the weights of the mixture. The last ratio is for failures
// that live never has: they are few when they matter, so each must count.
var initialShares = [len(ratios)]float64{0.115, 0.115, 0.115, 0.115, 0.115, 0.125, 0.3}

const (
	// reserve is the share that is not invested at once, so that a version that
	// turns bad later meets an alternative that has not been lost yet.
	reserve = 0.15
	// evenInvestments is how many further investments are paid for alike.
	evenInvestments = 360
	// investAgainAfter is how long an alternative is left alone before more is
	// invested in it.
	investAgainAfter = 10 * time.Second
	// burst is the time in which what goes badly may have a single cause: a pause,
	// a connection that breaks, with everything that was waiting on it.
	burst = 100 * time.Millisecond
	// maxEValue bounds what an alternative can reach, so that it remains a number.
	maxEValue = 1e9
)

// eProcess is the evidence against green, a mixture over the ratios. The sum of
// its parts with the reserve starts at 1 and is a supermartingale while the
// hypothesis holds: moving weight between alternatives does not change its
// expectation.
type eProcess [len(ratios)]alternative

// alternative is the part of an e-process that tests one ratio.
type alternative struct {
	value       float64
	invested    float64 // the value right after the last investment
	investments int     // how many there were
	investedAt  int64   // when the last one was, in milliseconds
	seenBefore  pair    // what the question had seen by then
	burstAt     int64   // when the burst began that is now, in milliseconds
	valueBefore float64 // the value that it began with
}

// reserveInvested is the share of the reserve that has been used after so many
// investments: half of it goes evenly to those of an hour, half more and more
// slowly for ever.
func reserveInvested(rounds int) float64 {
	further := float64(max(rounds-1, 0)) // the first round is not of what is kept
	return (math.Min(further/evenInvestments, 1) + further/(further+1)) / 2
}

// invest uses part of the reserve at first, and again when half of the last
// investment is lost and has been for a while. It looks at the past alone.
func (b *alternative) invest(at time.Time, seen pair, part float64) {
	now := at.UnixMilli()
	b.investedAt = min(b.investedAt, now) // clocks are set back
	if b.investments > 0 && (b.value > b.invested/2 || now-b.investedAt < investAgainAfter.Milliseconds()) {
		return
	}
	if b.investments++; b.investments == 1 {
		b.value = part * (1 - reserve)
	} else {
		b.value += part * reserve * (reserveInvested(b.investments) - reserveInvested(b.investments-1))
	}
	b.invested, b.investedAt, b.seenBefore = b.value, now, seen
}

// update settles one round: evidence returns the logarithm of the e-value of what
// happened for a ratio. seen is what the question had seen before. No burst
// alone takes an alternative further than half way to the threshold, as evidence
// is counted: what it would gain beyond that is dropped, which never raises α.
func (b *eProcess) update(at time.Time, seen pair, threshold float64, evidence func(ratio float64) float64) {
	for i := range b {
		one := &b[i]
		one.invest(at, seen, initialShares[i])
		if since := at.UnixMilli() - one.burstAt; since < 0 || since >= burst.Milliseconds() {
			one.burstAt, one.valueBefore = at.UnixMilli(), one.value
		}
		won := evidence(ratios[i])
		most := math.Sqrt(threshold) * math.Max(one.valueBefore, 1)
		if math.IsInf(won, 1) { // what cannot be by chance
			most = maxEValue
		}
		// An alternative that has lost everything to the last bit must not become NaN.
		one.value = math.Min(one.value*math.Exp(math.Min(won, 600)), math.Min(most, maxEValue))
	}
}

// eValue is the e-value of everything so far.
func (b *eProcess) eValue() float64 {
	sum := 0.0
	for i := range b {
		sum += b[i].value + initialShares[i]*reserve*(1-reserveInvested(b[i].investments))
	}
	if b[0].investments == 0 {
		return 1
	}
	return math.Min(sum, maxEValue)
}

// strongest is the alternative with the highest value.
func (b *eProcess) strongest() *alternative {
	best := &b[0]
	for i := range b {
		if b[i].value > best.value {
			best = &b[i]
		}
	}
	return best
}

// MarshalJSON writes the alternative as a list of numbers: there are dozens in a state.
func (b alternative) MarshalJSON() ([]byte, error) {
	s := b.seenBefore
	return json.Marshal([]any{b.value, b.invested, b.investments, b.investedAt, s.Live.N, s.Live.Bad, s.Green.N, s.Green.Bad, b.burstAt, b.valueBefore})
}

// UnmarshalJSON implements json.Unmarshaler.
func (b *alternative) UnmarshalJSON(data []byte) error {
	var list []float64
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	if len(list) != 10 {
		return teal.Errorf(teal.CodeInvalidInput, "%s is not an alternative of an e-process", data)
	}
	var whole [7]int64
	for i, v := range list[2:9] {
		if math.Abs(v) > 1<<53 || v != math.Trunc(v) {
			return teal.Errorf(teal.CodeInvalidInput, "%v is not a count", v)
		}
		whole[i] = int64(v)
	}
	*b = alternative{
		value: list[0], invested: list[1], investments: int(whole[0]), investedAt: whole[1],
		seenBefore: pair{tally{whole[2], whole[3]}, tally{whole[4], whole[5]}}, burstAt: whole[6], valueBefore: list[9],
	}
	return nil
}

// valid reports whether the e-process can have come from update.
func (b *eProcess) valid() bool {
	for _, one := range b {
		for _, wealth := range []float64{one.value, one.invested, one.valueBefore} {
			if !(wealth >= 0 && wealth <= maxEValue) {
				return false
			}
		}
		if one.investments < 0 || !one.seenBefore.valid() {
			return false
		}
	}
	return true
}

func (p pair) valid() bool { return p.Live.valid() && p.Green.valid() }

func (t tally) valid() bool { return t.Bad >= 0 && t.Bad <= t.N }
