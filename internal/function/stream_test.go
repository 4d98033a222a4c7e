package function

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"teal"
)

// sink is a Stream that keeps what it gets.
type sink struct {
	mu     sync.Mutex
	kind   string
	begun  bool
	got    bytes.Buffer
	pieces int
	write  func(piece []byte) error // nil: takes everything
}

func (s *sink) Begin(mediaType string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun, s.kind = true, mediaType
}

func (s *sink) Write(piece []byte) (int, error) {
	s.mu.Lock()
	s.pieces++
	s.got.Write(piece)
	s.mu.Unlock()
	if s.write != nil {
		return len(piece), s.write(piece)
	}
	return len(piece), nil
}

func (s *sink) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.String()
}

func (r *running) stream(ctx context.Context, event string, to *sink) (teal.Answer, error) {
	return r.Invoke(ctx, teal.Invocation{Event: []byte(event), Stream: to})
}

const prelude = "\x00\x00\x00\x00\x00\x00\x00\x00"

// The first piece is here before the function has made the last one. Seen red
// with the pieces collected until the end.
func TestStreamComesPieceByPiece(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]func(*Config){"go": golang, "node": node("stream.http"), "node, plain": node("stream.plain")} {
		t.Run(name, func(t *testing.T) {
			r := start(t, option)
			for range 2 { // the connection goes on
				var first time.Time
				to := &sink{write: func(piece []byte) error {
					if first.IsZero() && bytes.Contains(piece, []byte("piece 0")) {
						first = time.Now()
					}
					return nil
				}}
				answer, err := r.stream(t.Context(), `{"do":"stream","pieces":4,"milli":100}`, to)
				if err != nil || answer.FunctionError != "" || len(answer.Payload) > 0 {
					t.Fatalf("%v %+v", err, answer)
				}
				head, body, framed := strings.Cut(to.text(), prelude)
				if name == "node, plain" {
					body, framed = head, true
				} else if !strings.Contains(head, `"statusCode":201`) || to.kind != integrationType {
					t.Errorf("%s %s", to.kind, head)
				}
				if !framed || body != "piece 0\npiece 1\npiece 2\npiece 3\n" {
					t.Errorf("got %q", to.text())
				}
				if early := time.Since(first); early < 200*time.Millisecond {
					t.Errorf("the first piece came %s before the end", early)
				}
			}
		})
	}
}

// Without a Stream the same answer is collected.
func TestStreamIsCollectedForOthers(t *testing.T) {
	t.Parallel()
	for _, option := range []func(*Config){golang, node("stream.http")} {
		r := start(t, option)
		got := decoded[map[string]any](t, r.ok(`{"do":"stream","pieces":2}`))
		if got["statusCode"] != 201.0 || got["body"] != "piece 0\npiece 1\n" {
			t.Errorf("got %v", got)
		}
	}
	r := start(t, node("app.echo"))
	to := &sink{}
	if answer, err := r.stream(t.Context(), `"hello"`, to); err != nil || to.begun || string(answer.Payload) != `"hello"` {
		t.Errorf("a function that does not stream: %v %s", err, answer.Payload)
	}
}

// A streamed answer that breaks off fails, at once, and says why.
func TestStreamBreaksOff(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		option           func(*Config)
		end              string
		errorType, about string
		code             teal.Code
	}{
		"go error":      {golang, "error", "errorString", "went wrong on the way", ""},
		"go exit":       {golang, "exit", "Runtime.ExitError", "exit status 9", teal.CodeFunctionFailed},
		"go hang":       {golang, "hang", "Sandbox.Timedout", "timed out after 3.00", teal.CodeFunctionTimeout},
		"node error":    {node("stream.plain"), "error", "RangeError", "went wrong on the way", ""},
		"node long":     {node("stream.plain"), "long", "RangeError", "äääääääääää", ""},
		"node uncaught": {node("stream.plain"), "uncaught", "Error", "from a timer", ""},
		"node exit":     {node("stream.plain"), "exit", "Runtime.ExitError", "exit status 9", teal.CodeFunctionFailed},
		"node no end":   {node("stream.plain"), "return", "Runtime.NodeJsExit", "without ending", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timeout := teal.Duration(2 * patience) // and with an end of its own, it is not waited for
			if test.end == "hang" {
				timeout = teal.Duration(3 * time.Second)
			}
			r := start(t, test.option, func(c *Config) { c.Function.Timeout = timeout })
			to := &sink{}
			began := time.Now()
			answer, err := r.stream(t.Context(), fmt.Sprintf(`{"do":"stream","pieces":2,"end":%q}`, test.end), to)
			d := decoded[document](t, string(answer.Payload))
			if teal.CodeOf(err) != test.code || answer.FunctionError != "Unhandled" || d.Type != test.errorType || !strings.Contains(d.Message, test.about) {
				t.Errorf("%v %+v %s", err, answer, answer.Payload)
			}
			if !strings.HasSuffix(to.text(), "piece 0\npiece 1\n") {
				t.Errorf("before it broke off: %q", to.text())
			}
			if took := time.Since(began); took > patience {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// A slow caller slows the function down: it is never ahead by more than the
// buffers between the two. Seen red with a Flow that keeps what it passes: 33 MiB.
func TestSlowCallerHoldsTheFunction(t *testing.T) {
	t.Parallel()
	r := start(t, golang, func(c *Config) { c.Function.Timeout = teal.Duration(2 * time.Second) })
	block := make(chan struct{})
	to := &sink{write: func([]byte) error { <-block; return nil }}
	ended := make(chan error, 1)
	go func() {
		_, err := r.stream(context.Background(), `{"do":"stream","bytes":104857600}`, to)
		ended <- err
	}()
	time.Sleep(300 * time.Millisecond)
	sent := 0
	for _, line := range r.logs.all() {
		sent += strings.Count(line.text, "sent 1 MiB")
	}
	if sent > 16 { // the kernel's buffers take some
		t.Errorf("%d MiB were sent to a caller that has taken nothing", sent)
	}
	// The function's time is over while the caller still holds a piece.
	eventually(t, "the instance is gone", func() bool { return r.State().Busy == 0 })
	close(block)
	if err := <-ended; !teal.IsCode(err, teal.CodeFunctionTimeout) {
		t.Errorf("ended with %v", err)
	}
	r.ok(`{}`)
}

// When the caller is gone the answer is read to its end and thrown away.
func TestStreamGoesOnWithoutItsCaller(t *testing.T) {
	t.Parallel()
	r := start(t, golang, concurrency(1, 1))
	for range 3 {
		n := 0
		to := &sink{write: func([]byte) error { n++; return errors.New("the client has gone") }}
		if answer, err := r.stream(t.Context(), `{"do":"stream","pieces":2,"bytes":50000000}`, to); err != nil || answer.FunctionError != "" || n != 1 {
			t.Errorf("a write that failed: %v %+v, %d writes", err, answer, n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		to = &sink{write: func([]byte) error { cancel(); return nil }}
		if _, err := r.stream(ctx, `{"do":"stream","pieces":3,"milli":50}`, to); !teal.IsCode(err, teal.CodeUnavailable) {
			t.Errorf("a context that ended: %v", err)
		}
	}
	if got := r.ok(`{}`); !strings.Contains(got, "hello") {
		t.Errorf("afterwards: %s", got)
	}
	if failed := r.State().Reason; failed != "" {
		t.Errorf("the instance failed: %s", failed)
	}
}

// More than a buffered answer may have, to the byte; and more than any may have.
func TestStreamLimit(t *testing.T) {
	t.Parallel()
	r := start(t, node("stream.large"), func(c *Config) { c.Function.Timeout = teal.Duration(time.Minute) })
	var got int64
	to := &sink{}
	to.write = func(piece []byte) error {
		got += int64(len(piece))
		to.got.Reset()
		return nil
	}
	if answer, err := r.stream(t.Context(), fmt.Sprintf(`{"bytes":%d}`, int64(teal.MaxStreamed)), to); err != nil || answer.FunctionError != "" || got != int64(teal.MaxStreamed) {
		t.Errorf("%d bytes, %v %+v", got, err, answer)
	}
	got = 0
	answer, err := r.stream(t.Context(), fmt.Sprintf(`{"bytes":%d}`, int64(teal.MaxStreamed)+1), to)
	if !teal.IsCode(err, teal.CodeTooLarge) || answer.FunctionError == "" || got > int64(teal.MaxStreamed) {
		t.Errorf("%d bytes, %v %+v", got, err, answer)
	}
}
