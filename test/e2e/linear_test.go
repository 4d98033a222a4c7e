package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// The live pointer is a register: switches write it, requests read it.
type register struct {
	write bool
	value int
}

var registerModel = porcupine.Model{
	Init: func() any { return 2 },
	Step: func(state, input, output any) (bool, any) {
		if op := input.(register); op.write {
			return true, op.value
		}
		return output.(int) == state.(int), state
	},
	DescribeOperation: func(input, output any) string {
		if op := input.(register); op.write {
			return fmt.Sprintf("switch to %d", op.value)
		}
		return fmt.Sprintf("request answered by %d", output)
	},
}

// C2, as clients see it: there is one order of all switches and requests in which
// each takes effect at one moment between its start and its end, and every
// request is answered by the version of the switch before it.
//
// Seen red with a router that swaps the table 30 ms after Set has returned.
func TestLivePointerIsLinearizable(t *testing.T) {
	defer contained(t)
	s := startServer(t)
	s.ok("deploy", newApp(t, manifestWith("0s"), "one").dir)
	s.ok("deploy", newApp(t, manifestWith("0s"), "two").dir, "--no-release")
	s.ok("alias", "set", "web", "keep", "1") // so that version 1 goes on running
	s.ok("alias", "set", "web", "live", "2")

	var mu sync.Mutex
	var history []porcupine.Operation
	begin := time.Now()
	record := func(client int, in register, do func() int) {
		call := time.Since(begin).Nanoseconds()
		out := do()
		done := time.Since(begin).Nanoseconds()
		mu.Lock()
		defer mu.Unlock()
		history = append(history, porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: done})
	}

	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	defer readers.Wait() // whatever happens: they fail the test, which must not have ended
	defer cancel()
	base := s.url("")
	const clients = 4
	for client := range clients {
		readers.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			for ctx.Err() == nil {
				record(client, register{}, func() int {
					version, err := get("/", says)(context.Background(), &http.Client{Transport: transport, Timeout: patience}, base)
					n, convErr := strconv.Atoi(version)
					if err != nil || convErr != nil {
						t.Errorf("request: %v %v", err, convErr)
					}
					return n
				})
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	for i := range rounds(t, 40) {
		version := 1 + i%2
		record(clients, register{write: true, value: version}, func() int {
			s.ok("alias", "set", "web", "live", strconv.Itoa(version))
			return version
		})
	}
	cancel()
	readers.Wait()
	if result := porcupine.CheckOperationsTimeout(registerModel, history, patience); result != porcupine.Ok {
		t.Errorf("the history of %d operations is not linearizable: %s", len(history), result)
	}
	t.Logf("%d operations", len(history))
}
