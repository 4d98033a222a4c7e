package meter

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"teal"
)

// The most frequent requests are found among many that come once, also when only
// a part is looked at. Seen red with a newcomer that takes the place of any other.
func TestTheMostFrequentAreFound(t *testing.T) {
	m := New(Config{})
	r := m.Recorder(shop, 1, "web")
	random := rand.New(rand.NewPCG(1, 2))
	get := func(path string) { r.Record(Sample{Status: 200, Method: "GET", Host: "shop.example", Path: path}) }
	r.version.frequent.tick(10 * perSecond) // so one in ten is looked at
	for i := range 60_000 {
		switch n := random.IntN(100); {
		case n < 30:
			get("/")
		case n < 50:
			get("/items?page=1")
		case n < 60:
			get("/about")
		default:
			get(fmt.Sprintf("/items/%d", i))
		}
	}
	want := []teal.Request{{Method: "GET", Host: "shop.example", Path: "/"}, {Method: "GET", Host: "shop.example", Path: "/items?page=1"}, {Method: "GET", Host: "shop.example", Path: "/about"}}
	if diff := cmp.Diff(want, m.Frequent(shop, 1, 3)); diff != "" {
		t.Error(diff)
	}
	if n := len(m.Frequent(shop, 1, 1<<20)); n != sketchSize {
		t.Errorf("%d kept", n)
	}
}

// Only what is safe and was served well is kept, and what was frequent long ago
// makes way. Seen red with requests that nobody answered taken for good ones.
func TestWhatIsFrequent(t *testing.T) {
	m := New(Config{})
	r := m.Recorder(shop, 1, "web")
	for _, s := range []Sample{
		{Status: 200, Method: "POST", Path: "/post"},
		{Status: 404, Method: "GET", Path: "/missing"},
		{Status: 500, Fault: FaultStatus, Method: "GET", Path: "/broken"},
		{Status: 200, Method: "GET", Path: "*"},
		{Status: 200, Method: "GET", Path: "/" + strings.Repeat("x", pathSize)},
		{Method: "GET", Path: "/abandoned"},
		{Status: 200}, // an invocation
	} {
		r.Record(s)
	}
	if got := m.Frequent(shop, 1, 10); len(got) != 0 {
		t.Errorf("kept %v", got)
	}
	for range 8 {
		r.Record(Sample{Status: 200, Method: "HEAD", Path: "/old"})
	}
	for range 3 * halfLife {
		r.version.frequent.tick(0)
	}
	for range 2 {
		r.Record(Sample{Status: 304, Method: "GET", Path: "/new"})
	}
	want := []teal.Request{{Method: "GET", Path: "/new"}, {Method: "HEAD", Path: "/old"}}
	if diff := cmp.Diff(want, m.Frequent(shop, 1, 10)); diff != "" {
		t.Error(diff)
	}
	if got := m.Frequent(shop, 1, -1); len(got) != 0 || m.Frequent(shop, 2, 1) != nil {
		t.Errorf("of no version: %v", got)
	}
}
