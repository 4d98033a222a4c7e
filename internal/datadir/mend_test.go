package datadir

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal"
	"teal/internal/doctor"
	"teal/internal/store/natskv"
)

// What cannot be opened or used is told with its cause and a way out, in one
// sentence each.
//
// Seen red when OpenError passed on what is not damage ("natskv: open …/mark: is a
// directory", and nothing else), and with MessageOf in Report: "Something inside
// Teal failed; the server's log says what..".
func TestWhatCannotBeUsedIsToldWithItsCause(t *testing.T) {
	d := &Dir{path: t.TempDir()}
	mark := filepath.Join(d.Join(Store), "mark")
	if err := os.MkdirAll(mark, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := natskv.Open(t.Context(), natskv.Config{Dir: d.Join(Store)})
	if said := teal.MessageOf(d.OpenError(err)); !strings.Contains(said, mark) || !strings.Contains(said, "start the server again") {
		t.Errorf("store: %q", said)
	}
	for _, cause := range []error{
		fmt.Errorf("artifact: %w", errors.New("operation not permitted")),
		fmt.Errorf("artifact: %w", teal.Errorf(teal.CodeInternal, "operation not permitted.")),
	} {
		alerts := doctor.New(slog.New(slog.DiscardHandler), time.Now)
		d.Report(alerts, Bundles, cause)
		list := alerts.List()
		if len(list) != 1 || !strings.Contains(list[0].Message, "operation not permitted. What needs it") {
			t.Errorf("folder: %+v", list)
		}
	}
}
