package natskv_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"teal"
	"teal/internal/store"
	"teal/internal/store/natskv"
	"teal/internal/store/storetest"
)

// listen starts a NATS server on a free port, as somebody else would run one, and
// returns its address.
func listen(t *testing.T, maxPayload int32) string {
	t.Helper()
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: t.TempDir(), MaxPayload: maxPayload,
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	if !srv.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server did not start")
	}
	return srv.Addr().String()
}

func connect(t *testing.T, addr, bucket string) *natskv.DB {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	db, err := natskv.Connect(ctx, "nats://"+addr, natskv.Remote{Bucket: bucket})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestContractOfRemote(t *testing.T) {
	t.Parallel()
	addr := listen(t, 8<<20)
	var buckets atomic.Int64
	// A group, so that the server outlives the parallel tests in it.
	t.Run("Remote", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.KV {
			return connect(t, addr, fmt.Sprintf("bucket-%d", buckets.Add(1)))
		})
	})
}

func TestTwoConnections(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	addr := listen(t, 8<<20)
	one, two := connect(t, addr, "shared"), connect(t, addr, "shared")
	revision, err := one.Create(ctx, "k", []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.Create(ctx, "k", nil); !errors.Is(err, store.ErrExists) {
		t.Errorf("create: got %v, want ErrExists", err)
	}
	if _, err := two.Update(ctx, "k", []byte("two"), revision); err != nil {
		t.Error(err)
	}
	if _, err := one.Update(ctx, "k", nil, revision); !errors.Is(err, store.ErrConflict) {
		t.Errorf("update: got %v, want ErrConflict", err)
	}
}

func TestConnectErrors(t *testing.T) {
	t.Parallel()
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := nobody.Addr().String()
	if err := nobody.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = natskv.Connect(t.Context(), "nats://user:secret@"+addr, natskv.Remote{})
	if !teal.IsCode(err, teal.CodeUnavailable) || !strings.Contains(err.Error(), addr) || strings.Contains(err.Error(), "secret") {
		t.Errorf("nobody listens: got %v", err)
	}
	_, err = natskv.Connect(t.Context(), "nats://"+listen(t, 1<<20), natskv.Remote{})
	if !teal.IsCode(err, teal.CodeInvalidInput) || !strings.Contains(err.Error(), "max_payload") {
		t.Errorf("small messages only: got %v", err)
	}
}

// A write whose request or answer is lost has an unknown outcome, says so, and is
// not done a second time.
//
// Seen to fail when writeError took a deadline for a plain failure.
func TestLostMessages(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		drop    func(*wire)
		written bool
	}{
		{"request", func(w *wire) { w.dropRequests.Store(true) }, false},
		{"answer", func(w *wire) { w.dropAnswers.Store(true) }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			addr := listen(t, 8<<20)
			w := newWire(t, addr)
			far, near := connect(t, w.addr, "b"), connect(t, addr, "b")
			if _, err := far.Create(t.Context(), "before", nil); err != nil {
				t.Fatal(err)
			}
			test.drop(w)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_, err := far.Create(ctx, "k", []byte("x"))
			if !errors.Is(err, store.ErrOutcomeUnknown) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want an unknown outcome", err)
			}
			entry, err := near.Get(t.Context(), "k")
			if written := err == nil; written != test.written {
				t.Errorf("written: %v (%+v, %v), want %v", written, entry, err, test.written)
			}
			if test.written && entry.Revision != 2 {
				t.Errorf("written at revision %d, want 2: once", entry.Revision)
			}
		})
	}
}

// wire is a TCP proxy that can lose what goes through it.
type wire struct {
	addr                      string
	dropRequests, dropAnswers atomic.Bool
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{addr: listener.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			backend, err := net.Dial("tcp", to)
			if err != nil {
				_ = client.Close()
				return
			}
			wg.Go(func() { pipe(backend, client, &w.dropRequests) })
			wg.Go(func() { pipe(client, backend, &w.dropAnswers) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		wg.Wait()
	})
	return w
}

// pipe copies until either side closes, and then closes both.
func pipe(to, from net.Conn, drop *atomic.Bool) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err == nil && !drop.Load() {
			_, err = to.Write(buf[:n])
		}
		if err != nil {
			return
		}
	}
}
