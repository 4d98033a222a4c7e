package queue

import (
	"hash/fnv"
	"sync"
	"time"

	"teal"
	"teal/internal/priority"
	"teal/internal/store"
)

// item is what is known of a message without its body.
type item struct {
	pack  *packState
	index int
	id    string
	group *group // nil without one
	// point is where the message stands among the weights of an alias: that of its
	// group, or its own.
	point   teal.Weight
	bytes   int64
	sentAt  time.Time
	due     time.Time
	version store.EnvironmentKey // that it belongs to; the zero one: none
	claim   *claim               // nil until it has one
	flight  *flight              // nil: it waits

	receipt  string // the newest one
	failures int
	reason   string
	redriven int
	returned bool
	unbound  bool
	// done: nothing is left to do about it, but for the writes that say so.
	done  bool
	dying bool // it has no tries left, and is being made a dead letter
	gone  bool // it is in no list any more
}

// flight is a message that somebody works on.
type flight struct {
	since      time.Time
	until      time.Time
	visibility time.Duration
	retries    int
	void       bool // the message was given back: a failure is not counted
}

// out reports whether nobody is to get the message any more.
func (i *item) out() bool { return i.gone || i.done }

// sequence is the place of a message among those of its queue.
func (i *item) sequence() uint64 { return i.pack.id + uint64(i.index) } //nolint:gosec // not negative

func (i *item) before(other *item) bool {
	if i.pack.id != other.pack.id {
		return i.pack.id < other.pack.id
	}
	return i.index < other.index
}

// group is the messages of one group: one of them is offered at a time.
type group struct {
	name    string
	waiting *priority.Queue[*item]
	flying  int  // that are worked on
	offered bool // the first one is in a list
}

// packState is a pack in memory.
type packState struct {
	id     uint64
	sentAt time.Time
	items  []*item
	live   int // that are not gone
	dedup  []string
	claims map[*claim]bool
	record pack // what it was written as, while that is kept

	saving   sync.Mutex // one write at a time
	revision uint64     // under saving
	over     bool       // its messages are in no record any more
}

// expiry is when a message that is worked on becomes visible again.
type expiry struct {
	at     time.Time
	item   *item
	flight *flight
}

// schedule orders the messages of a queue that wait. Each operation costs the logarithm
// of how many there are. It is not safe for concurrent use.
type schedule struct {
	delayed  *priority.Queue[*item]
	lanes    map[store.EnvironmentKey]*priority.Queue[*item] // due ones by the version that they belong to
	expiring *priority.Queue[expiry]
	groups   map[string]*group
	receipts map[string]*item
}

func newSchedule() schedule {
	return schedule{
		delayed:  priority.New(func(a, b *item) bool { return a.due.Before(b.due) }),
		lanes:    map[store.EnvironmentKey]*priority.Queue[*item]{},
		expiring: priority.New(func(a, b expiry) bool { return a.at.Before(b.at) }),
		groups:   map[string]*group{}, receipts: map[string]*item{},
	}
}

// pointOf returns where a message stands among weights.
func pointOf(groupName, id string) teal.Weight {
	if groupName != "" {
		id = groupName
	}
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(id)) // never fails
	mixed := hash.Sum64()
	mixed = (mixed ^ mixed>>33) * 0xff51afd7ed558ccd // names that are alike are not
	return teal.Weight((mixed ^ mixed>>33) % uint64(teal.All))
}

func (s *schedule) groupOf(name string) *group {
	if name == "" {
		return nil
	}
	g := s.groups[name]
	if g == nil {
		g = &group{name: name, waiting: priority.New((*item).before)}
		s.groups[name] = g
	}
	return g
}

// wait has a message wait for who works on it.
func (s *schedule) wait(i *item) {
	if i.group == nil {
		s.delayed.Push(i)
		return
	}
	i.group.waiting.Push(i)
	s.offer(i.group)
}

// offer has the first message of a group wait, unless others of it are worked on.
func (s *schedule) offer(g *group) {
	for g.waiting.Len() > 0 && g.waiting.First().out() {
		g.waiting.Pop()
	}
	switch {
	case g.offered || g.flying > 0:
	case g.waiting.Len() > 0:
		g.offered = true
		s.delayed.Push(g.waiting.First())
	default:
		delete(s.groups, g.name)
	}
}

// again has a message that was worked on wait.
func (s *schedule) again(i *item, due time.Time) {
	i.due = due
	if i.group != nil {
		i.group.waiting.Push(i)
	} else {
		s.delayed.Push(i)
	}
	s.landed(i)
}

// landed has a message that was worked on no longer hold up its group.
func (s *schedule) landed(i *item) {
	i.flight = nil
	if i.group != nil {
		i.group.flying--
		s.offer(i.group)
	}
}

// advance moves what is due to where it is taken from, and returns what was not
// finished within its visibility: that is visible again.
func (s *schedule) advance(now time.Time) (expired []*item) {
	for s.expiring.Len() > 0 && !s.expiring.First().at.After(now) {
		e := s.expiring.Pop()
		switch i := e.item; {
		case i.flight != e.flight || i.out() || i.dying:
		case i.flight.until.After(now):
			s.expiring.Push(expiry{i.flight.until, i, i.flight})
		default:
			expired = append(expired, i)
			if !i.flight.void {
				i.failures++
				i.reason = "it was not finished within its visibility of " + teal.Duration(i.flight.visibility).String()
			}
			s.again(i, now)
		}
	}
	for s.delayed.Len() > 0 && !s.delayed.First().due.After(now) {
		i := s.delayed.Pop()
		if i.out() {
			s.skip(i)
			continue
		}
		s.lane(i.version).Push(i)
	}
	return expired
}

func (s *schedule) lane(version store.EnvironmentKey) *priority.Queue[*item] {
	lane := s.lanes[version]
	if lane == nil {
		lane = priority.New((*item).before)
		s.lanes[version] = lane
	}
	return lane
}

// skip forgets a message that is gone and was found in a list.
func (s *schedule) skip(i *item) {
	if i.group != nil {
		i.group.offered = false
		s.offer(i.group)
	}
}

// lookAhead bounds how many messages of other versions are looked over for one of the
// version that asks.
const lookAhead = 1000

// request is what somebody wants to work on.
type request struct {
	version    store.EnvironmentKey
	most       int
	bytes      int64 // of all; the first message is always taken
	visibility time.Duration
	held       bool
	retries    int
	takes      func(teal.Weight) bool // nil: all
	receipt    func() string
}

// take gives out messages: those first that belong to the version already. Those that
// have no tries left are not given out but returned as spent.
func (s *schedule) take(now time.Time, r request) (taken, spent []*item) {
	t := &taking{schedule: s, request: r, now: now}
	t.from(r.version)
	if (r.version != store.EnvironmentKey{}) {
		t.from(store.EnvironmentKey{})
	}
	return t.taken, t.spent
}

// taking is one take.
type taking struct {
	*schedule
	request
	now          time.Time
	size         int64
	taken, spent []*item
}

func (t *taking) full(next *item) bool {
	return len(t.taken) >= t.most || len(t.taken) > 0 && t.size+next.bytes > t.bytes
}

func (t *taking) from(version store.EnvironmentKey) {
	lane := t.lanes[version]
	if lane == nil {
		return
	}
	var others []*item
	for lane.Len() > 0 && len(others) < lookAhead && !t.full(lane.First()) {
		i := lane.Pop()
		switch {
		case i.out():
			t.skip(i)
		case version == store.EnvironmentKey{} && t.takes != nil && !t.takes(i.point):
			others = append(others, i)
		default:
			t.unit(i)
		}
	}
	for _, i := range others {
		lane.Push(i)
	}
	if lane.Len() == 0 {
		delete(t.lanes, version)
	}
}

// unit takes a message, and of its group those that come after it.
func (t *taking) unit(i *item) {
	if i.group == nil {
		t.one(i)
		return
	}
	g := i.group
	g.offered = false
	for g.waiting.Len() > 0 {
		next := g.waiting.First()
		fits := next == i || !t.full(next) && !next.due.After(t.now) && (next.version == t.version || next.version == store.EnvironmentKey{})
		if !next.out() && !fits {
			break
		}
		g.waiting.Pop()
		if !next.out() {
			g.flying++
			t.one(next)
		}
	}
	t.offer(g)
}

func (t *taking) one(i *item) {
	if i.failures > t.retries {
		i.flight, i.dying = &flight{since: t.now}, true // nobody else has it meanwhile
		t.spent = append(t.spent, i)
		return
	}
	f := &flight{since: t.now, until: t.now.Add(t.visibility), visibility: t.visibility, retries: t.retries}
	delete(t.receipts, i.receipt)
	i.flight, i.receipt = f, t.receipt()
	t.receipts[i.receipt] = i
	if !t.held {
		t.expiring.Push(expiry{f.until, i, f})
	}
	t.size += i.bytes
	t.taken = append(t.taken, i)
}

// wakeAt returns when something is due, or visible again; at the latest as given.
func (s *schedule) wakeAt(latest time.Time) time.Time {
	if s.delayed.Len() > 0 && s.delayed.First().due.Before(latest) {
		latest = s.delayed.First().due
	}
	if s.expiring.Len() > 0 && s.expiring.First().at.Before(latest) {
		latest = s.expiring.First().at
	}
	return latest
}

// free takes messages away from a version.
func (s *schedule) free(version store.EnvironmentKey) {
	lane := s.lanes[version]
	if lane == nil {
		return
	}
	delete(s.lanes, version)
	for lane.Len() > 0 {
		s.lane(store.EnvironmentKey{}).Push(lane.Pop())
	}
}
