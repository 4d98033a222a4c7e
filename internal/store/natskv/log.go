package natskv

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/nats-io/nats-server/v2/server"
)

// serverLog passes the server's warnings and errors on to slog and drops the
// rest. It keeps the warnings of the start, in which the server tells what it
// could not recover, and the message that it would have died with.
type serverLog struct {
	to     *slog.Logger
	failed func(why string) // is told when the stream has stopped taking writes

	mu       sync.Mutex
	started  bool
	warnings []string
	fatal    string
}

var _ server.Logger = (*serverLog)(nil)

func newServerLog(to *slog.Logger, failed func(why string)) *serverLog {
	if to == nil {
		to = slog.New(slog.DiscardHandler)
	}
	return &serverLog{to: to.With("part", "nats"), failed: failed}
}

// Noticef implements server.Logger.
func (*serverLog) Noticef(string, ...any) {}

// Debugf implements server.Logger.
func (*serverLog) Debugf(string, ...any) {}

// Tracef implements server.Logger.
func (*serverLog) Tracef(string, ...any) {}

// Warnf implements server.Logger.
func (l *serverLog) Warnf(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	l.keep(message)
	l.to.Warn(message)
	l.look(message)
}

// Errorf implements server.Logger.
func (l *serverLog) Errorf(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	l.keep(message)
	l.to.Error(message)
	l.look(message)
}

// Fatalf implements server.Logger. It does not end the process: Open returns the
// message instead.
func (l *serverLog) Fatalf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fatal = fmt.Sprintf(format, args...)
}

// look finds the messages after which the stream takes no writes any more. Who has
// sent a write that fails so gets no answer to it: the server says it here alone.
func (l *serverLog) look(message string) {
	if strings.Contains(message, "ritical write error") || strings.Contains(message, "disabling JetStream") {
		l.failed(message)
	}
}

func (l *serverLog) keep(message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.started {
		l.warnings = append(l.warnings, message)
	}
}

// startWarnings ends the keeping of warnings and returns them.
func (l *serverLog) startWarnings() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.started = true
	return l.warnings
}

func (l *serverLog) fatalMessage() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}
