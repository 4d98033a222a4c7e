package meter

import (
	"sync"
	"sync/atomic"
	"time"
)

// Fault says what was wrong with a request on the side of the version.
type Fault uint8

// The faults. All but FaultNone are errors.
const (
	FaultNone Fault = iota
	FaultStatus
	FaultFunction
	FaultTimeout
	FaultConnection
	faultCount
)

// String returns the fault as metrics name it.
func (f Fault) String() string {
	return [faultCount]string{"none", "status", "function", "timeout", "connection"}[f]
}

// Sample is one request of a user. Its strings need not stay valid after Record.
type Sample struct {
	Status  int // 0: the client went away before there was an answer
	Fault   Fault
	Latency time.Duration // to the first byte of the answer; how long the client waited when there was none
	// Method, Host and Path, with its query, are as the client sent them; ""
	// for a request that has none.
	Method, Host, Path string
	Route              string // the prefix that led to the component
	// Type, Message and Stack are what a function that failed said.
	Type, Message string
	Stack         []string
}

// outcome says how the request ended. One that its client gave up on is neither
// good nor failed, unless the version is known to have failed it.
func (s *Sample) outcome() outcome {
	switch {
	case s.Fault != FaultNone:
		return failed
	case s.Status == 0:
		return unanswered
	}
	return answered
}

// Recorder counts for one component of one version. It is safe for concurrent
// use.
type Recorder struct {
	component string
	version   *version
	picker    *shardPicker
	shards    []shard
	all       []*histogram // those of the shards
	changed   atomic.Bool  // something was recorded since the window was rolled
	routes    routeErrors
	number    uint16    // among those of the version
	rolled    counts    // what the window has seen; guarded by version.mu
	since     time.Time // when the component was started last; likewise
}

// codeClasses are those of HTTP, and 0 for no answer.
const codeClasses = 6

// shard is what one processor counts in.
type shard struct {
	outcomes [codeClasses][faultCount]atomic.Uint64
	nanos    atomic.Int64
	inFlight atomic.Int64
	cells    histogram
	_        [64]byte // keeps the next shard's counters off this one's cache line
}

func newRecorder(component string, v *version, l *shardPicker) *Recorder {
	r := &Recorder{component: component, version: v, picker: l, shards: make([]shard, l.count)}
	for i := range r.shards {
		r.all = append(r.all, &r.shards[i].cells)
	}
	return r
}

// Begin says that a request is in flight.
func (r *Recorder) Begin() { r.shards[r.picker.pick()].inFlight.Add(1) }

// Done says that it is in flight no more.
func (r *Recorder) Done() { r.shards[r.picker.pick()].inFlight.Add(-1) }

// Record counts one request. It takes no lock that another recorder holds, and
// costs less than 100 ns but for an error of a sort that is new.
func (r *Recorder) Record(s Sample) {
	own := &r.shards[r.picker.pick()]
	how := s.outcome()
	own.outcomes[class(s.Status)][s.Fault].Add(1)
	if how != unanswered {
		own.nanos.Add(int64(s.Latency))
	}
	switch {
	case how == failed:
		r.version.errors.note(r.component, &s)
		r.routes.note(&s)
	case how == answered && s.Status < 400:
		r.version.frequent.offer(&s)
	}
	// The sample is there when its cell says so; what it brings along comes
	// before, and those who wait for it are told after.
	own.cells.add(cellIndexOf(s.Latency, how))
	if !r.changed.Load() {
		r.changed.Store(true)
	}
	r.version.tell()
}

func class(status int) int {
	if c := status / 100; c > 0 && c < codeClasses {
		return c
	}
	return 0
}

func (r *Recorder) inFlight() (n int64) {
	for i := range r.shards {
		n += r.shards[i].inFlight.Load()
	}
	return n
}

// shardPicker tells processors apart, so that each counts in a shard of its own. A
// sync.Pool keeps what a processor puts back for that same processor; that is
// only a habit, but all that depends on it is speed.
type shardPicker struct {
	count int
	all   []shardIndex
	next  atomic.Uint32
	pool  sync.Pool
}

type shardIndex struct{ number int }

// maxShards bounds the memory on large machines.
const maxShards = 8

func newShardPicker(count int) *shardPicker {
	l := &shardPicker{count: count}
	l.all = make([]shardIndex, l.count)
	for i := range l.all {
		l.all[i].number = i
	}
	l.pool.New = func() any { return &l.all[int(l.next.Add(1))%l.count] }
	return l
}

// pick returns the number of a shard that nobody else is likely to use now.
func (l *shardPicker) pick() int {
	own := l.pool.Get().(*shardIndex)
	l.pool.Put(own)
	return own.number
}
