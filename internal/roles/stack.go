// Package roles runs the roles that a server has: whatever is made by a New and runs in a
// Run that blocks until its context ends.
package roles

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// Role is something that runs until ctx ends, and is not expected to end by itself.
type Role struct {
	Name string // for people
	Run  func(ctx context.Context) error
}

// Stack are roles that run at the same time. They are started one after the other and
// stopped in the opposite order, so that each may count on those before it for as long as
// it runs. It is for one goroutine.
type Stack struct {
	logger *slog.Logger
	failed chan error // the first role that ended by itself
	stack  []running
}

type running struct {
	name string
	stop context.CancelFunc
	done chan error // receives what run returned
}

// NewStack returns an empty stack, which must be stopped.
func NewStack(logger *slog.Logger) *Stack {
	return &Stack{logger: logger, failed: make(chan error, 1)}
}

// Start runs one more role in the background. Its context ends when it is its
// turn to stop, not with anything else.
func (s *Stack) Start(name string, run func(ctx context.Context) error) {
	ctx, stop := context.WithCancel(context.Background())
	st := running{name: name, stop: stop, done: make(chan error, 1)}
	s.stack = append(s.stack, st)
	go func() {
		err := run(ctx)
		if ctx.Err() == nil {
			s.fail(fmt.Errorf("%s stopped: %w", name, orUnexpected(err)))
		}
		st.done <- err
	}()
}

// Closer adds a cleanup that has its turn among the roles.
func (s *Stack) Closer(name string, closeIt func() error) {
	s.Start(name, func(ctx context.Context) error {
		<-ctx.Done()
		return closeIt()
	})
}

func (s *Stack) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// Failed has the error of the first role that has ended by itself.
func (s *Stack) Failed() <-chan error { return s.failed }

// Await blocks until ready is closed. The error is that of a role that has ended by itself
// before, or ctx's.
func (s *Stack) Await(ctx context.Context, ready <-chan struct{}) error {
	select {
	case <-ready:
		return nil
	case err := <-s.failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run runs roles as a stack until ctx ends, or one of them by itself: then with its error.
func Run(ctx context.Context, logger *slog.Logger, roles ...Role) error {
	stack := NewStack(logger)
	defer stack.Stop()
	for _, r := range roles {
		stack.Start(r.Name, r.Run)
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-stack.failed:
		return err
	}
}

var errUnexpected = errors.New("without an error, though nobody asked it to")

func orUnexpected(err error) error {
	if err == nil {
		return errUnexpected
	}
	return err
}

// Stop ends every role, the last one first, and blocks until all have ended.
func (s *Stack) Stop() {
	for len(s.stack) > 0 {
		last := s.stack[len(s.stack)-1]
		s.stack = s.stack[:len(s.stack)-1]
		last.stop()
		if err := <-last.done; err != nil && !errors.Is(err, context.Canceled) {
			s.logger.Warn("part of the server did not stop cleanly", "part", last.name, "error", err)
		}
	}
}
