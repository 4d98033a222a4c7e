package main

import (
	"strings"
	"testing"
	"time"

	"teal"
	"teal/internal/cli"
	"teal/internal/event"
	"teal/internal/queue"
)

// Seen red with each limit in the place of those before it, with the queue's given to the
// gateway, with an unknown name taken, and with an error that does not name the limit.
func TestLimitsOfTheCommandLine(t *testing.T) {
	t.Parallel()
	limits, err := parseLimits([]cli.Limit{{Name: "streams", Value: "8"}, {Name: "streams", Value: "9"}, {Name: "shutdown-grace", Value: "1s"}, {Name: "events", Value: "7"}, {Name: "event-bytes", Value: "1MiB"}, {Name: "queue-age", Value: "2d"}})
	if err != nil || limits.events != (event.Limits{Events: 7, Bytes: teal.MiB}) || limits.gateway.Streams != 9 || limits.gateway.ShutdownGrace != time.Second || limits.queues != (queue.Limits{Age: 48 * time.Hour}) {
		t.Errorf("%+v %v", limits, err)
	}
	for name, value := range map[string]string{"streams": "none", "events": "0", "event-bytes": "7", "queue-messages": "-1", "queue-bytes": "many", "colour": "1"} {
		_, err := parseLimits([]cli.Limit{{Name: name, Value: value, Where: "FILE:3:5"}})
		if !teal.IsCode(err, teal.CodeInvalidInput) || !strings.Contains(err.Error(), name) || !strings.HasPrefix(err.Error(), "FILE:3:5: ") {
			t.Error(err)
		}
	}
}
