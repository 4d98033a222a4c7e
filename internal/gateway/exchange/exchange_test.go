package exchange

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"teal"
	"teal/internal/gateway"
	"teal/internal/http1"
)

// sent is a request that is nothing but text: "Name: value" lines.
type sent []string

func (s sent) Len() int { return len(s) }

func (s sent) Field(i int) (name, value string, endToEnd bool) {
	name, value, _ = strings.Cut(s[i], ": ")
	return name, value, !http1.IsAboutConnection(name)
}

func (s sent) Line() Line {
	return Line{Method: "GET", Host: "shop.example", Target: "/a?b", Path: "/a", RawQuery: "b", Protocol: "HTTP/1.1"}
}

// lines receives fields as text.
type lines []string

func (l *lines) Add(name, value string) { *l = append(*l, name+": "+value) }
func (l *lines) AddList(name string, values []string) {
	*l = append(*l, name+": "+strings.Join(values, ", "))
}

// claimed returns an exchange with a request to version 7 of an app.
func claimed(t *testing.T, config Config, in Request) *Exchange {
	t.Helper()
	web := &gateway.Component{Name: "web"}
	env := gateway.NewEnvironment(gateway.EnvironmentConfig{App: "shop", Version: 7, Components: map[string]*gateway.Component{"web": web}})
	p := NewPolicy(config)
	at := Public(false)
	peer := p.Peer(&at, netip.MustParseAddr("192.0.2.1"))
	x := &Exchange{}
	x.Begin(p, &at, &peer, in)
	x.Claim = gateway.Claim{Env: env, Component: web, Version: 7}
	return x
}

// Seen red with each case of passes taken out, with a peer that is always trusted and
// with one that never is.
func TestForward(t *testing.T) {
	const ours = "X-Forwarded-For: 192.0.2.1|X-Forwarded-Proto: http|X-Forwarded-Host: shop.example"
	everybody := func(netip.Addr) bool { return true }
	for name, c := range map[string]struct {
		config   Config
		in, want string
	}{
		"fields pass in their order": {in: "B: 1|A: 2|B: 3", want: "B: 1|A: 2|B: 3|Teal-Version: 7|" + ours},
		"not what is about the connection": {in: "Keep-Alive: 1|Proxy-Authorization: x|Te: trailers|Expect: 100-continue|Content-Length: 1",
			want: "Teal-Version: 7|" + ours},
		"not what only Teal says": {in: "teal-version: 9|Teal-Anything: 1|Tea: 1", want: "Tea: 1|Teal-Version: 7|" + ours},
		"not what anybody says of its client": {in: "x-forwarded-for: 1.1.1.1|X-Forwarded-Port: 1|Forwarded: for=1|X-Real-Ip: 1.1.1.1|X-Other: 1",
			want: "X-Other: 1|Teal-Version: 7|" + ours},
		"what a trusted peer says": {config: Config{Trusted: everybody}, in: "X-Forwarded-For: 1.1.1.1|X-Forwarded-For: 2.2.2.2|X-Forwarded-Proto: https|X-Forwarded-Host: a|Forwarded: for=1",
			want: "Forwarded: for=1|Teal-Version: 7|X-Forwarded-For: 1.1.1.1, 2.2.2.2, 192.0.2.1|X-Forwarded-Proto: https|X-Forwarded-Host: a"},
		"no underscores": {in: "X_A: 1|Teal_Version: 9", want: "Teal-Version: 7|" + ours},
		"underscores, if they must be": {config: Config{Underscores: true, Trusted: everybody}, in: "X_A: 1|Teal_Version: 9|X_Forwarded_For: 9",
			want: "X_A: 1|Teal-Version: 7|" + ours},
	} {
		t.Run(name, func(t *testing.T) {
			var got lines
			claimed(t, c.config, sent(strings.Split(c.in, "|"))).Forward(&got)
			if diff := cmp.Diff(strings.Split(c.want, "|"), []string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What an error is for its client, for the meter and for the record.
//
// Seen red with the status of a stalled body taken from its code, and with a body that
// is not whole counted as answered.
func TestFail(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
		fault  gateway.Fault
		gone   bool
		head   []string
	}{
		"an instance":    {err: teal.Errorf(teal.CodeUpstreamFailed, "no"), status: 502, fault: gateway.FaultConnection},
		"a timeout":      {err: teal.Errorf(teal.CodeFunctionTimeout, "late"), status: 504, fault: gateway.FaultTimeout},
		"a slow client":  {err: ErrStalled(), status: 408},
		"half a body":    {err: ErrNotWhole(errors.New("cut")), status: 400, gone: true},
		"too many":       {err: teal.Errorf(teal.CodeThrottled, "busy"), status: 429, fault: gateway.FaultStatus, head: []string{"Retry-After: 1"}},
		"not understood": {err: Refusal(&http1.Error{Status: 431, Reason: "long"}), status: 431},
		"a defect":       {err: errors.New("x"), status: 500, fault: gateway.FaultStatus},
	} {
		t.Run(name, func(t *testing.T) {
			x := claimed(t, Config{}, sent{})
			answer := x.Fail(c.err)
			var head lines
			answer.WriteHead(&head)
			want := slices.Concat([]string{"Teal-Version: 7"}, c.head, []string{"Cache-Control: no-store", "Content-Type: application/problem+json"})
			if answer.Status != c.status || x.Result.Status != c.status || x.Result.Fault != c.fault || x.Result.Gone != c.gone || len(answer.Body) == 0 || !slices.Equal(head, want) {
				t.Errorf("%d %v, %+v", answer.Status, head, x.Result)
			}
		})
	}
}

// Bodies grow within the limit and the budget, and give back what they took.
//
// Seen red without the check of the size, without the budget, and with a Release that
// forgets.
func TestBody(t *testing.T) {
	p := NewPolicy(Config{Limits: gateway.Limits{FunctionBytes: 200 << 10, FunctionBodies: 256 << 10}})
	piece := make([]byte, 10<<10)
	fill := func(b *Body) error {
		for range 15 {
			if err := b.Add(piece); err != nil {
				return err
			}
		}
		return nil
	}
	first, _ := p.NewBody(-1)
	if err := fill(&first); err != nil || first.Len() != 150<<10 {
		t.Fatalf("%d bytes, %v", first.Len(), err)
	}
	second, _ := p.NewBody(150 << 10)
	if err := fill(&second); !teal.IsCode(err, teal.CodeUnavailable) || second.Len() != freeBody {
		t.Errorf("%d bytes beside a large one: %v", second.Len(), err)
	}
	second.Release()
	if err := fill(&first); !teal.IsCode(err, teal.CodeTooLarge) {
		t.Errorf("twice as much: %v", err)
	}
	first.Release()
	if third, _ := p.NewBody(-1); fill(&third) != nil {
		t.Error("nothing was given back")
	}
	if _, err := p.NewBody(1 << 20); !teal.IsCode(err, teal.CodeTooLarge) {
		t.Errorf("an announcement of too much: %v", err)
	}
}
