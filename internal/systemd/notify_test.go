package systemd

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWhatTheServiceManagerIsTold(t *testing.T) {
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", manager.LocalAddr().String())
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", "")
	// hears waits for the next message that is no sign of life, and counts those.
	hears := func(want string) (alive int) {
		t.Helper()
		for {
			if err := manager.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			buffer := make([]byte, 1000)
			n, err := manager.Read(buffer)
			switch got := string(buffer[:n]); {
			case err != nil:
				t.Fatalf("waiting for %q: %v", want, err)
			case got == "WATCHDOG=1":
				if alive++; want == got && alive > 2 {
					return alive
				}
			case !strings.Contains(got, want):
				t.Fatalf("told %q, want %q", got, want)
			default:
				return alive
			}
		}
	}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	ready, stopping, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	n := NewNotifier(slog.New(slog.DiscardHandler))
	go func() {
		defer close(done)
		n.Run(ctx, ready, stopping, func() string { return "serving" })
	}()
	hears("WATCHDOG=1")
	close(ready)
	hears("READY=1\nSTATUS=serving")
	n.Reloading()
	hears("RELOADING=1\nMONOTONIC_USEC=")
	close(stopping)
	hears("STOPPING=1")
	hears("WATCHDOG=1")
	end()
	<-done
}

// Without a service manager, and with one that is gone, a server runs all the same.
func TestNobodyIsTold(t *testing.T) {
	for _, socket := range []string{"", filepath.Join(t.TempDir(), "none")} {
		t.Setenv("NOTIFY_SOCKET", socket)
		ctx, end := context.WithCancel(t.Context())
		stopping, ready := make(chan struct{}), make(chan struct{})
		close(ready)
		NewNotifier(slog.New(slog.DiscardHandler)).Run(ctx, ready, stopping, func() string { end(); return "" })
		end()
	}
}
