package await

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
)

// failed is a test that notes what it failed with.
type failed struct {
	testing.TB
	said string
}

func (f *failed) Helper() {}

func (f *failed) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// What comes is returned, and what never comes fails the test with its name. Seen
// red with a plain receive, and with a loop without its end: the bubble was
// deadlocked, or never left.
func TestWhatNeverComesFailsTheTest(t *testing.T) {
	for name, wait := range map[string]func(t testing.TB){
		"value": func(t testing.TB) { Value(t, "the letter", make(chan int)) },
		"true":  func(t testing.TB) { True(t, "the letter", func() bool { return false }) },
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &failed{TB: t}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				wait(f)
			}()
			<-ended
			if !strings.Contains(f.said, "in vain for the letter") {
				t.Errorf("%s: it failed with %q", name, f.said)
			}
		})
	}
}

func TestWhatComesIsReturned(t *testing.T) {
	c := make(chan int, 1)
	c <- 7
	if got := Value(t, "a number", c); got != 7 {
		t.Errorf("got %d", got)
	}
	n := 0
	True(t, "three", func() bool { n++; return n == 3 })
}
