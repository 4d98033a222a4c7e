package lambda

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"teal/internal/event"
)

// What a destination answers is its answer: the report, and what it says, goes
// nowhere else.
//
// Seen red with a client that follows redirects.
func TestADestinationCannotSendAReportElsewhere(t *testing.T) {
	told := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told = true }))
	t.Cleanup(elsewhere.Close)
	sink := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	t.Cleanup(sink.Close)
	w := &worker{client: newDestinationClient()}
	err := w.post(t.Context(), event.Event{Destination: sink.URL, Report: []byte(`{}`)})
	if err == nil || !strings.Contains(err.Error(), "status 307") {
		t.Errorf("told: %v", err)
	}
	if told {
		t.Error("somebody else was told")
	}
}
