//go:build faults

package daemon

import (
	"log/slog"
	"os"
	"syscall"
)

// boundary returns a function that kills the process, as kill -9 does, at the
// step boundary that TEAL_CRASH_AT names. It exists in test binaries only.
func boundary(logger *slog.Logger) func(name string) {
	at := os.Getenv("TEAL_CRASH_AT")
	if at == "" {
		return nil
	}
	return func(name string) {
		if name != at {
			return
		}
		logger.Warn("dying as told", "boundary", name)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing may happen between the signal and the end
	}
}
