package service

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"teal"
)

// idle returns a set of n slots without processes, all healthy.
func idle(t interface{ Fatal(...any) }, n int) *Set {
	s, err := New(Config{App: "shop", Version: 1, Name: "up", Upstream: &teal.Upstream{
		URLs: slices.Repeat([]string{"http://127.0.0.1:9"}, n), Health: quick("/"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, sl := range s.slots {
		s.open(sl, &Endpoint{scheme: "http", host: "127.0.0.1:9", address: "127.0.0.1:9", name: sl.name})
		s.checked(sl, 0, nil)
	}
	return s
}

// Seen to fail with a Claim that takes the first of the rotation.
func TestClaimTakesTheLeastLoadedHealthyOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := idle(t, rapid.IntRange(1, 6).Draw(t, "endpoints"))
		var claims []*Endpoint
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			sl := s.slots[rapid.IntRange(0, len(s.slots)-1).Draw(t, "slot")]
			switch rapid.SampledFrom([]string{"claim", "claim", "claim", "done", "fail", "pass"}).Draw(t, "step") {
			case "claim":
				loads := loadsOfHealthy(s)
				e, err := s.Claim()
				if len(loads) == 0 {
					if !teal.IsCode(err, teal.CodeNoHealthyInstance) {
						t.Fatalf("no healthy endpoint, and Claim returned %v, %v", e, err)
					}
					continue
				}
				load, ok := loads[e]
				if !ok || load != slices.Min(values(loads)) {
					t.Fatalf("claimed one with %d in flight (healthy: %v) of %v", load, ok, values(loads))
				}
				claims = append(claims, e)
			case "done":
				if len(claims) > 0 {
					claims[0].Done(false)
					claims = claims[1:]
				}
			case "fail":
				s.checked(sl, 0, errors.New("sick"))
			case "pass":
				s.checked(sl, 0, nil)
			}
		}
	})
}

func loadsOfHealthy(s *Set) map[*Endpoint]int {
	loads := map[*Endpoint]int{}
	for _, sl := range s.slots {
		if sl.health.phase == healthy {
			loads[sl.endpoint] = sl.endpoint.InFlight()
		}
	}
	return loads
}

func values(m map[*Endpoint]int) []int {
	var list []int
	for _, v := range m {
		list = append(list, v)
	}
	return list
}

// Seen to fail with a rotation over all slots that skips the sick ones: the
// neighbour of a sick one then gets twice its share.
func TestClaimIsEvenAmongEquals(t *testing.T) {
	t.Parallel()
	s := idle(t, 5)
	for range 3 {
		s.checked(s.slots[2], 0, errors.New("sick"))
	}
	counts := map[*Endpoint]int{}
	for range 400 {
		e := mustClaim(t, s)
		counts[e]++
		e.Done(false)
	}
	for i, sl := range s.slots {
		want := 100
		if i == 2 {
			want = 0
		}
		if counts[sl.endpoint] != want {
			t.Errorf("endpoint %d got %d of 400 requests, want %d", i, counts[sl.endpoint], want)
		}
	}
}

func TestClaimAllocatesNothing(t *testing.T) {
	s := idle(t, 4)
	if n := testing.AllocsPerRun(1000, func() { mustClaim(t, s).Done(false) }); n != 0 {
		t.Errorf("%v allocations per claim", n)
	}
	for _, sl := range s.slots {
		s.down(sl)
	}
	if n := testing.AllocsPerRun(1000, func() { _, _ = s.Claim() }); n != 0 {
		t.Errorf("%v allocations per refused claim", n)
	}
}

func TestARefusedConnectionIsActedOnAtOnce(t *testing.T) {
	t.Parallel()
	s := idle(t, 2)
	bad := mustClaim(t, s)
	bad.Done(true)
	for range 10 {
		if e := mustClaim(t, s); e == bad {
			t.Fatal("a suspect endpoint was used although a healthy one was there")
		}
	}
	if len(bad.recheck) != 1 {
		t.Error("no check was asked for")
	}
	if st := s.State(); st.Healthy != 1 || !strings.Contains(st.Reason, "a connection to 127.0.0.1:9 failed") {
		t.Errorf("state %+v", st)
	}
}

// Seen to fail with a view that holds healthy endpoints alone.
func TestTheLastSuspectIsStillUsedUntilACheckFails(t *testing.T) {
	t.Parallel()
	s := idle(t, 2)
	for range 2 {
		mustClaim(t, s).Done(true)
	}
	if e := mustClaim(t, s); e == nil {
		t.Fatal("nothing claimed")
	}
	s.checked(s.slots[0], s.slots[0].health.doubts, errors.New("nothing answers"))
	for range 10 {
		if e := mustClaim(t, s); e != s.slots[1].endpoint {
			t.Fatal("an endpoint was used that failed both a connection and a check")
		}
	}
	s.checked(s.slots[1], s.slots[1].health.doubts, errors.New("nothing answers"))
	if _, err := s.Claim(); !teal.IsCode(err, teal.CodeNoHealthyInstance) {
		t.Fatalf("Claim: %v", err)
	}
}

// Seen to fail with refused() that does not compare endpoints.
func TestDoneOfAnOldLifeSaysNothingAboutTheNewOne(t *testing.T) {
	t.Parallel()
	s := idle(t, 1)
	old := mustClaim(t, s)
	s.down(s.slots[0])
	s.open(s.slots[0], &Endpoint{host: "127.0.0.1:10"})
	s.checked(s.slots[0], 0, nil)
	old.Done(true)
	if st := s.State(); st.Healthy != 1 {
		t.Errorf("state %+v", st)
	}
	if n := mustClaim(t, s).InFlight(); n != 1 {
		t.Errorf("%d in flight", n)
	}
}

// Four claimers race with endpoints that die, come back, get sick and suspect.
// Seen to fail with down() that does not publish: endpoints are claimed that
// were down for the whole of the call.
func TestClaimRacesWithFlappingHealth(t *testing.T) {
	t.Parallel()
	s := idle(t, 3)
	var downs [3]atomic.Int64 // odd: the slot is down
	index := func(e *Endpoint) int { return int(e.host[0] - 'a') }
	revive := func(i int) {
		s.open(s.slots[i], &Endpoint{host: string(rune('a' + i))})
		s.checked(s.slots[i], s.slots[i].health.doubts, nil)
	}
	for i := range s.slots {
		revive(i)
	}
	var claimed sync.Map
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 20_000 {
				before := [3]int64{downs[0].Load(), downs[1].Load(), downs[2].Load()}
				e, err := s.Claim()
				if err != nil {
					continue
				}
				if i := index(e); before[i]%2 == 1 && downs[i].Load() == before[i] {
					t.Error("claimed an endpoint that was down all the time")
				}
				claimed.Store(e, true)
				e.Done(rand.IntN(50) == 0)
			}
		})
	}
	group.Go(func() {
		for n := range 3000 {
			i := n % 3
			s.down(s.slots[i])
			downs[i].Add(1)
			if e, err := s.Claim(); err == nil {
				e.Done(false)
			}
			downs[i].Add(1)
			revive(i)
			s.checked(s.slots[(i+1)%3], -1, errors.New("sick"))
		}
	})
	group.Wait()
	claimed.Range(func(e, _ any) bool {
		if n := e.(*Endpoint).InFlight(); n != 0 {
			t.Errorf("%d requests in flight at the end", n)
		}
		return true
	})
}

func BenchmarkClaim(b *testing.B) {
	s := idle(b, 8)
	b.ReportAllocs()
	for b.Loop() {
		e, err := s.Claim()
		if err != nil {
			b.Fatal(err)
		}
		e.Done(false)
	}
}
