package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// stages are the parts of a server that run at the same time. They are started
// one after the other and stopped in the opposite order, so that each may count
// on those before it for as long as it runs.
type stages struct {
	logger *slog.Logger
	failed chan error // the first stage that ended by itself
	stack  []stage
}

type stage struct {
	name string
	stop context.CancelFunc
	done chan error // receives what run returned
}

func newStages(logger *slog.Logger) *stages {
	return &stages{logger: logger, failed: make(chan error, 1)}
}

// start runs one more part in the background. Its context ends when it is its
// turn to stop, not with anything else.
func (s *stages) start(name string, run func(ctx context.Context) error) {
	ctx, stop := context.WithCancel(context.Background())
	st := stage{name: name, stop: stop, done: make(chan error, 1)}
	s.stack = append(s.stack, st)
	go func() {
		err := run(ctx)
		if ctx.Err() == nil {
			s.fail(fmt.Errorf("%s stopped: %w", name, orUnexpected(err)))
		}
		st.done <- err
	}()
}

// closer adds a cleanup that has its turn among the stages.
func (s *stages) closer(name string, closeIt func() error) {
	s.start(name, func(ctx context.Context) error {
		<-ctx.Done()
		return closeIt()
	})
}

func (s *stages) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

var errUnexpected = errors.New("without an error, though nobody asked it to")

func orUnexpected(err error) error {
	if err == nil {
		return errUnexpected
	}
	return err
}

// stop ends every stage, the last one first, and blocks until all have ended.
func (s *stages) stop() {
	for len(s.stack) > 0 {
		last := s.stack[len(s.stack)-1]
		s.stack = s.stack[:len(s.stack)-1]
		last.stop()
		if err := <-last.done; err != nil && !errors.Is(err, context.Canceled) {
			s.logger.Warn("part of the server did not stop cleanly", "part", last.name, "error", err)
		}
	}
}
