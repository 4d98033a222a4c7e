package artifact

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"teal"
)

func putFiles(t *testing.T, s *Store, files map[string]string) string {
	t.Helper()
	return mustPut(t, s, mustZip(t, mustScan(t, plant(t, files))))
}

// What comes later covers what comes earlier, whatever of the two is a file, a
// folder or a link.
func TestStackCoversInOrder(t *testing.T) {
	t.Parallel()
	s := openStore(t, Limits{})
	one := putFiles(t, s, map[string]string{"a": "1", "b/c": "1", "b/only": "1", "was-file": "1", "was-folder/x": "1", "was-link@": "b", "run*": "1", "empty/": ""})
	two := putFiles(t, s, map[string]string{"a": "2", "b/c": "2", "was-file/y": "2", "was-folder": "2", "was-link/z": "2", "l@": "b/only"})
	for _, c := range []struct {
		order []string
		want  map[string]string
	}{
		{[]string{one, two}, map[string]string{"a": "2", "b/c": "2", "b/only": "1", "was-file/y": "2", "was-folder": "2", "was-link/z": "2", "l@": "b/only", "run*": "1", "empty/": ""}},
		{[]string{two, one}, map[string]string{"a": "1", "b/c": "1", "b/only": "1", "was-file": "1", "was-folder/x": "1", "was-link@": "b", "l@": "b/only", "run*": "1", "empty/": ""}},
		{[]string{two}, map[string]string{"a": "2", "b/c": "2", "was-file/y": "2", "was-folder": "2", "was-link/z": "2", "l@": "b/only"}},
	} {
		dir, err := s.Stack(t.Context(), c.order)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := mustScan(t, dir).Digest, mustScan(t, plant(t, c.want)).Digest; got != want {
			t.Errorf("%v: the stack holds something else than %v", c.order, c.want)
		}
		if err := os.WriteFile(filepath.Join(dir, "new"), nil, 0o600); err == nil && os.Getuid() != 0 {
			t.Error("a stack can be written to")
		}
		if again, err := s.Stack(t.Context(), c.order); err != nil || again != dir {
			t.Errorf("the same list again: %s %v", again, err)
		}
	}
	names, err := s.Stacks()
	if err != nil || len(names) != 2 {
		t.Fatalf("stacks: %v %v", names, err)
	}
	for _, name := range names {
		if err := s.Remove(name); err != nil {
			t.Error(err)
		}
	}
	if names, err := s.Stacks(); err != nil || len(names) != 0 || !s.Has(one) || !s.Has(two) {
		t.Errorf("after the removal: %v %v", names, err)
	}
	wantNoTemp(t, s)
}

// Each of these links is harmless in its own bundle.
func TestStackRefusesLinksThatLeadOut(t *testing.T) {
	t.Parallel()
	s := openStore(t, Limits{})
	up := putFiles(t, s, map[string]string{"up@": "b/../x", "f": ""})
	here := putFiles(t, s, map[string]string{"b@": ".", "g": ""})
	if _, err := s.Stack(t.Context(), []string{up, here}); !teal.IsCode(err, teal.CodeInvalidBundle) || !strings.Contains(err.Error(), "outside") {
		t.Errorf("stack: %v", err)
	}
	if _, err := s.Stack(t.Context(), []string{up, "sha256:" + strings.Repeat("0", 64)}); !teal.IsCode(err, teal.CodeUnknownBundle) {
		t.Errorf("a bundle that is not there: %v", err)
	}
	if names, _ := s.Stacks(); len(names) != 0 {
		t.Errorf("half a stack is there: %v", names)
	}
	wantNoTemp(t, s)
}

// Seen red without the lock of Stack: "file exists", and made 8 times.
func TestConcurrentStacks(t *testing.T) {
	t.Parallel()
	s := openStore(t, Limits{})
	list := []string{putFiles(t, s, map[string]string{"a": "1"}), putFiles(t, s, map[string]string{"b": "2"})}
	var made atomic.Int32
	s.step = func(name string) {
		if name == "stack rename" {
			made.Add(1)
		}
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := s.Stack(t.Context(), list); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("made %d times", made.Load())
	}
	wantNoTemp(t, s)
}

// Seen red with pile building straight into the home: the top of a stack without
// anything in it was taken for the whole.
func TestKillDuringStackLeavesAllOrNothing(t *testing.T) {
	t.Parallel()
	s := openStore(t, Limits{})
	list := []string{putFiles(t, s, map[string]string{"a": "1", "b/c*": "1"}), putFiles(t, s, map[string]string{"b/c*": "2", "l@": "b"})}
	want := mustScan(t, plant(t, map[string]string{"a": "1", "b/c*": "2", "l@": "b"})).Digest
	for _, step := range []string{"stack link", "stack sync", "stack rename", "stack done"} {
		child := exec.Command(os.Args[0], append([]string{s.root}, list...)...)
		child.Env = append(os.Environ(), crashEnv+"="+step)
		out, err := child.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("the child ended with %v, want SIGKILL\n%s", err, out)
		}
		if s, err = Open(s.root, Limits{}); err != nil {
			t.Fatal(err)
		}
		wantNoTemp(t, s)
		names, err := s.Stacks()
		if err != nil || len(names) == 1 != (step == "stack done") {
			t.Errorf("after a crash before %q: %v %v", step, names, err)
		}
		dir, err := s.Stack(t.Context(), list)
		if err != nil || mustScan(t, dir).Digest != want {
			t.Errorf("after a crash before %q the stack is %s %v", step, dir, err)
		}
		if err := s.Remove(StackName(list)); err != nil {
			t.Error(err)
		}
	}
}
