package meter

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"teal"
)

const (
	sketchSize = 256
	perSecond  = 200     // how many requests are looked at in a second, about
	pathSize   = 2 << 10 // longer ones are not kept
	hostSize   = 255
	halfLife   = 60 // in ticks
)

// frequencySketch finds the most frequent of many requests in bounded memory: the
// space-saving algorithm (Metwally, Agrawal, El Abbadi: Efficient Computation of
// Frequent and Top-k Elements in Data Streams, 2005). It looks at a random part
// of the requests, all of them while there are few. Counts are halved now and
// then, so that it is about the recent past.
type frequencySketch struct {
	share atomic.Uint32 // of the requests that are looked at, of 1<<32

	mu     sync.Mutex
	counts map[safeRequest]*uint64
	ticks  int
}

type safeRequest struct{ method, host, path string }

func (s *frequencySketch) open() { s.share.Store(math.MaxUint32) }

// offer shows a request to the sketch. It does not wait: while somebody else is
// at it, the request is not looked at.
func (s *frequencySketch) offer(r *Sample) {
	if r.Method != "GET" && r.Method != "HEAD" || rand.Uint32() > s.share.Load() {
		return
	}
	if !strings.HasPrefix(r.Path, "/") || len(r.Path) > pathSize || len(r.Host) > hostSize || !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	s.count(safeRequest{r.Method, r.Host, r.Path})
}

func (s *frequencySketch) count(r safeRequest) {
	if n := s.counts[r]; n != nil {
		*n++
		return
	}
	n := uint64(1)
	if len(s.counts) >= sketchSize {
		// The newcomer takes the place and the count of the rarest, which it
		// may have been all along.
		rarest, least := safeRequest{}, uint64(math.MaxUint64)
		for other, count := range s.counts {
			if *count < least {
				rarest, least = other, *count
			}
		}
		delete(s.counts, rarest)
		n += least
	}
	if s.counts == nil {
		s.counts = map[safeRequest]*uint64{}
	}
	s.counts[safeRequest{strings.Clone(r.method), strings.Clone(r.host), strings.Clone(r.path)}] = &n
}

// tick is called every second with the number of requests of the last one.
func (s *frequencySketch) tick(requests int) {
	share := uint32(math.MaxUint32)
	if requests > perSecond {
		share = uint32(float64(share) * perSecond / float64(requests))
	}
	s.share.Store(share)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ticks++; s.ticks%halfLife != 0 {
		return
	}
	for _, n := range s.counts {
		*n = (*n + 1) / 2 // never 0: a version with few users has rare requests only
	}
}

// top returns the n most frequent requests.
func (s *frequencySketch) top(n int) []teal.Request {
	type counted struct {
		safeRequest
		n uint64
	}
	s.mu.Lock()
	var all []counted
	for r, n := range s.counts {
		all = append(all, counted{r, *n})
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b counted) int {
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.path, b.path), cmp.Compare(a.host, b.host), cmp.Compare(a.method, b.method))
	})
	list := make([]teal.Request, 0, min(max(n, 0), len(all)))
	for _, r := range all[:cap(list)] {
		list = append(list, teal.Request{Method: r.method, Host: r.host, Path: r.path})
	}
	return list
}
