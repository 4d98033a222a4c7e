package main

import (
	"strings"
	"testing"
	"time"

	"teal"
	"teal/internal/event"
)

// Seen red with each limit in the place of those before it, with the queue's given to the
// gateway, with an unknown name taken, and with an error that does not name the limit.
func TestLimitsOfTheCommandLine(t *testing.T) {
	t.Parallel()
	limits, events, err := parseLimits([][2]string{{"streams", "9"}, {"shutdown-grace", "1s"}, {"events", "7"}, {"event-bytes", "1MiB"}})
	if err != nil || events != (event.Limits{Events: 7, Bytes: teal.MiB}) || limits.Streams != 9 || limits.ShutdownGrace != time.Second {
		t.Errorf("%+v %+v %v", limits, events, err)
	}
	for _, pair := range [][2]string{{"streams", "none"}, {"events", "0"}, {"event-bytes", "7"}, {"colour", "1"}} {
		if _, _, err := parseLimits([][2]string{pair}); !teal.IsCode(err, teal.CodeInvalidInput) || !strings.Contains(err.Error(), pair[0]) {
			t.Error(err)
		}
	}
}
