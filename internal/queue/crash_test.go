package queue_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal/internal/queue"
	"teal/internal/store/natskv"
)

// workerDir, in the environment of this test binary, makes it a program that sends and
// works on messages in that directory until it is killed.
const workerDir = "TEAL_TEST_QUEUE_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(workerDir); dir != "" {
		fmt.Fprintln(os.Stderr, workForever(dir, os.Getenv(workerDir+"_ROUND")))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// workForever prints a line for each message that was accepted, and for each that is
// finished, when it has been told so.
func workForever(dir, round string) error {
	ctx := context.Background()
	db, err := natskv.Open(ctx, natskv.Config{Dir: dir})
	if err != nil {
		return err
	}
	broker := queue.New(queue.Config{KV: db, Logger: slog.New(slog.DiscardHandler)})
	go func() { _ = broker.Run(ctx) }()
	for n := 0; ; n++ {
		var messages []queue.Outgoing
		for i := range n%5 + 1 {
			messages = append(messages, queue.Outgoing{Body: fmt.Appendf(nil, "%s.%d.%d", round, n, i), Group: []string{"", "g"}[n%2]})
		}
		if _, err := broker.Send(ctx, "orders", messages); err != nil {
			return err
		}
		for _, m := range messages {
			fmt.Printf("accepted %s\n", m.Body)
		}
		got, err := broker.Receive(ctx, queue.Receive{Queue: "orders", Version: of(1), Most: 3, Visibility: time.Minute, Retries: 1000})
		if err != nil {
			return err
		}
		for i, d := range got {
			outcome := queue.Outcome(min(i%3, 1)) // of three messages one is finished
			if outcome == queue.Done {
				fmt.Printf("finishing %s\n", d.Body)
			}
			if err := broker.Finish(ctx, "orders", []queue.Result{{Receipt: d.Receipt, Outcome: outcome, After: time.Millisecond}}); err != nil {
				return err
			}
			if outcome == queue.Done {
				fmt.Printf("finished %s\n", d.Body)
			}
		}
	}
}

// What was accepted is there after kill -9, unless it was finished, and what was finished
// is not; the messages of a group are in their order.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	said := map[string]map[string]bool{"accepted": {}, "finishing": {}, "finished": {}}
	accepted, finished := said["accepted"], said["finished"]
	for round := range 3 {
		killWorker(t, dir, fmt.Sprint(round), 60+40*round, said)
	}
	db, err := natskv.Open(t.Context(), natskv.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	s := serve(t, db, queue.Limits{})
	defer s.end()
	left := map[string]bool{}
	var last string
	for {
		got, err := s.Receive(t.Context(), queue.Receive{Queue: "orders", Version: of(1), Most: 100, Visibility: time.Minute, Retries: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range got {
			left[string(d.Body)] = true
			if d.Group != "" && last != "" && !inOrder(last, string(d.Body)) {
				t.Errorf("%s comes before %s", last, d.Body)
			}
			if d.Group != "" {
				last = string(d.Body)
			}
		}
		s.finish(got, queue.Done)
		if len(got) == 0 && s.stats().Delayed == 0 {
			break
		}
	}
	for body := range accepted {
		if !finished[body] && !left[body] && !said["finishing"][body] {
			t.Errorf("%s was accepted and is lost", body)
		}
		if finished[body] && left[body] {
			t.Errorf("%s was finished and comes again", body)
		}
	}
	if len(finished) == 0 || len(left) == 0 {
		t.Errorf("%d finished, %d left: this shows nothing", len(finished), len(left))
	}
}

func inOrder(a, b string) bool {
	var x, y [3]int
	_, _ = fmt.Sscanf(a, "%d.%d.%d", &x[0], &x[1], &x[2])
	_, _ = fmt.Sscanf(b, "%d.%d.%d", &y[0], &y[1], &y[2])
	for i := range x {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return false
}

// killWorker runs a worker until it has said n lines, kills it, and adds what it said.
func killWorker(t *testing.T, dir, round string, n int, said map[string]map[string]bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), workerDir+"="+dir, workerDir+"_ROUND="+round)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, in := io.Pipe()
	cmd.Stdout = in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it was killed
		_ = in.Close()
	}()
	lines := bufio.NewScanner(out)
	count := 0
	for ; lines.Scan(); count++ {
		word, body, _ := strings.Cut(lines.Text(), " ")
		said[word][body] = true
		if count == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	<-ended
	if count < n {
		t.Fatalf("the worker said %d lines: %s", count, stderr.String())
	}
}
