package static

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"teal"
	"teal/internal/gateway"
)

// Config is what a Site is made of.
type Config struct {
	Name     string // of the component
	Static   teal.Static
	Dir      string    // the folder with the bundle
	Modified time.Time // when the content was given to Teal, which is what Last-Modified says
	Memory   *Memory   // nil: nothing is kept in memory
	Logger   *slog.Logger
	OnChange func() // called when State may have changed; must not block
}

// Site is a folder of files that requests are answered with. It implements
// gateway.Files. It is for concurrent use.
type Site struct {
	cfg   Config
	index atomic.Pointer[index] // nil until the folder has been looked at

	mu     sync.Mutex
	reason string // why that has not worked; "" for not known
}

// New returns a site that has not looked at its folder yet.
func New(cfg Config) *Site { return &Site{cfg: cfg} }

// State is how a site is.
type State struct {
	Ready  bool
	Failed bool
	Reason string // why it is not ready
}

// State returns how the site is.
func (s *Site) State() State {
	if s.index.Load() != nil {
		return State{Ready: true}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return State{Failed: s.reason != "", Reason: s.reason}
}

// The pauses between two looks at a folder that cannot be read: it may be put right.
const (
	againFirst = time.Second
	againMost  = 30 * time.Second
)

// Run looks at the folder, again and again until that works, and answers requests until
// ctx ends. It blocks until then.
func (s *Site) Run(ctx context.Context) error {
	for pause := againFirst; ; pause = min(2*pause, againMost) {
		found, err := scan(ctx, s.cfg)
		switch {
		case err == nil:
			return s.serve(ctx, found)
		case ctx.Err() == nil:
			s.fail(err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// serve answers by what has been found until ctx ends.
func (s *Site) serve(ctx context.Context, found *index) error {
	s.index.Store(found)
	s.cfg.OnChange()
	<-ctx.Done()
	s.index.Store(nil)
	return found.close()
}

func (s *Site) fail(err error) {
	s.cfg.Logger.Warn("the files of a component cannot be served", "component", s.cfg.Name, "error", err)
	s.mu.Lock()
	s.reason = sentence(err)
	s.mu.Unlock()
	s.cfg.OnChange()
}

// sentence returns what people are told of an error.
func sentence(err error) string {
	var own *teal.Error
	if errors.As(err, &own) {
		return own.Message
	}
	return "its files cannot be read: " + err.Error()
}

// Answer implements gateway.Files.
func (s *Site) Answer(r gateway.FileRequest) (gateway.FileAnswer, error) {
	if r.Method != "GET" && r.Method != "HEAD" {
		return gateway.FileAnswer{}, gateway.ErrNotAllowed("GET", "HEAD")
	}
	found := s.index.Load()
	if found == nil {
		return gateway.FileAnswer{}, teal.Errorf(teal.CodeUnavailable, "the files of component %q are not ready yet; try again in a moment", s.cfg.Name)
	}
	return found.answer(r)
}
