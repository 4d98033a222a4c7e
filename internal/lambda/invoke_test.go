package lambda

import (
	"context"
	"net/http"
	"testing"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

type sink struct{}

func (sink) Begin(string)                {}
func (sink) Write(p []byte) (int, error) { return len(p), nil }

// A caller who leaves in the middle of a streamed answer has been answered, when
// the answer began; one who leaves before has not. Seen red with every caller
// whose context has ended taken for one that nobody answered.
func TestACallerWhoLeavesAStreamHasBeenAnswered(t *testing.T) {
	t.Parallel()
	gone, leave := context.WithCancel(t.Context())
	leave()
	result := exchange.InvocationResult(gone, teal.Answer{}, gone.Err())
	before, begun := answerStart{}, answerStart{Stream: sink{}}
	if got := before.result(result); got.Status != 0 || got.Fault != gateway.FaultNone {
		t.Errorf("before the answer: %+v", got)
	}
	begun.Begin("text/plain")
	if got := begun.result(result); got.Status != http.StatusOK || !got.Answered.Equal(begun.at) {
		t.Errorf("in the middle of it: %+v", got)
	}
}
