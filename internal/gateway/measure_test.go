package gateway

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"teal"
)

func TestStacksOfAllRuntimes(t *testing.T) {
	for document, want := range map[string][]string{
		`{"stackTrace":["a\n","b"]}`:     {"a", "b"},
		`{"trace":["a","b"]}`:            {"a", "b"},
		`{"stackTrace":"a\nb"}`:          {"a", "b"},
		`{"stackTrace":[{"line":1},[]]}`: {`{"line":1}`, `[]`},
		`{"stackTrace":7}`:               nil,
		`nonsense`:                       nil,
	} {
		if diff := cmp.Diff(want, FailureOf([]byte(document)).Stack); diff != "" {
			t.Errorf("%s: %s", document, diff)
		}
	}
}

// discard costs nothing, so that what is left is the gateway's own.
type discard struct{}

func (discard) Begin()        {}
func (discard) Record(Sample) {}
func (discard) Done()         {}

func TestReportingAllocatesNothing(t *testing.T) {
	g := measuredGateway(t)
	if n := testing.AllocsPerRun(1000, func() { oneMeasured(t, g) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func measuredGateway(t testing.TB) *Gateway {
	t.Helper()
	env := NewEnvironment(EnvironmentConfig{App: "shop", Version: 1, Routes: []teal.Route{route("", "/", "web")}, Components: map[string]*Component{"web": {Meter: discard{}}}})
	return gatewayWith(t, liveApp("shop", teal.Only(1), env))
}

func oneMeasured(t testing.TB, g *Gateway) {
	claim, err := g.Claim(Head{Host: "shop.example", Path: "/a"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	claim.End(Result{Status: 200, Method: "GET", Path: "/a"})
}

func BenchmarkMeasuredClaim(b *testing.B) {
	g := measuredGateway(b)
	b.ReportAllocs()
	for b.Loop() {
		oneMeasured(b, g)
	}
}
