package front

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// Large bodies beyond the budget are refused while it is used up; small ones
// pass; what was held is given back. Seen red without the give-back, and with a
// budget that is never asked.
func TestLargeBodiesShareABudget(t *testing.T) {
	inside, leave := make(chan struct{}, 10), make(chan struct{})
	slow := functionOf(func(context.Context, teal.Invocation) (teal.Answer, error) {
		inside <- struct{}{}
		<-leave
		return teal.Answer{Payload: []byte(`"ok"`)}, nil
	})
	s := start(t, &gateway.Component{Function: slow, Payload: "2.0"}, exchange.Config{Limits: gateway.Limits{FunctionBodies: 200 << 10}})
	large := strings.Repeat("x", 150_000)
	first := make(chan int, 1)
	go func() {
		response, err := client(t).Do(s.request("POST", "/", strings.NewReader(large), "Content-Type", "text/plain"))
		if err != nil {
			t.Error(err)
			first <- 0
			return
		}
		first <- response.StatusCode
		_ = response.Body.Close()
	}()
	<-inside
	s.wantProblem(503, teal.CodeUnavailable, "POST", "/", strings.NewReader(large), "Content-Type", "text/plain")
	close(leave)
	if code := receive(t, first, "the first answer"); code != http.StatusOK {
		t.Errorf("the first large request got %d", code)
	}
	for _, body := range []string{"small", large, large} {
		s.nothingInFlight() // what a request held is given back by then
		if response, data := s.do("POST", "/", strings.NewReader(body), "Content-Type", "text/plain"); response.StatusCode != http.StatusOK {
			t.Errorf("%d bytes afterwards: %d %s", len(body), response.StatusCode, data)
		}
	}
}

// A function knows calls of its environment's components from those of users. Seen
// red with Inside left out of ServeComponent's claim, and of run.
func TestCallsBetweenComponentsAreFromInside(t *testing.T) {
	inside := make(chan bool, 1)
	s := start(t, &gateway.Component{Function: functionOf(func(_ context.Context, in teal.Invocation) (teal.Answer, error) {
		inside <- in.Inside
		return teal.Answer{Payload: []byte(`"ok"`)}, nil
	}), Payload: "2.0"}, exchange.Config{})
	sibling, _ := serveOn(t, func(ctx context.Context, l net.Listener) error { return s.server.ServeComponent(ctx, l, s.env, "web") })
	for addr, want := range map[string]bool{s.addr: false, sibling: true} {
		response, err := client(t).Get("http://" + addr + "/")
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if got := receive(t, inside, "a call to begin"); got != want {
			t.Errorf("inside is %t for %s, want %t", got, addr, want)
		}
	}
}
