package systemd

import (
	"context"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Notifier tells the service manager that started this process how it is. The
// protocol is sd_notify(3).
type Notifier struct {
	alive  time.Duration // within which to say that the process is alive; 0: nobody asks
	logger *slog.Logger
}

// NewNotifier returns a notifier for whom the environment names; it tells nothing yet.
func NewNotifier(logger *slog.Logger) *Notifier {
	alive, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		logger.Warn("the watchdog's time cannot be read; the service manager gets no sign of life", "error", err)
	}
	return &Notifier{alive: alive, logger: logger}
}

// Reloading says that the server takes up something new; that it is ready ends it.
func (n *Notifier) Reloading() {
	n.tell(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// Run tells that the server serves when ready is closed, with a sentence for people,
// and that it stops when stopping is. Meanwhile, and until ctx ends, it gives the signs
// of life that the service manager wants. They say that this process still gets to run:
// a disk that does not answer is no reason to be killed, since what runs is served
// without it. It blocks until ctx ends.
func (n *Notifier) Run(ctx context.Context, ready, stopping <-chan struct{}, status func() string) {
	var due <-chan time.Time
	if n.alive > 0 {
		every := time.NewTicker(n.alive / 2)
		defer every.Stop()
		due = every.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ready:
			ready = nil
			n.tell(daemon.SdNotifyReady + "\nSTATUS=" + status())
		case <-stopping:
			ready, stopping = nil, nil
			n.tell(daemon.SdNotifyStopping + "\nSTATUS=stopping: finishing the requests in flight")
		case <-due:
			n.tell(daemon.SdNotifyWatchdog)
		}
	}
}

func (n *Notifier) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		n.logger.Warn("the service manager cannot be told how the server is", "error", err)
	}
}
