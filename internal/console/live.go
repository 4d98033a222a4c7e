package console

import (
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"

	"teal"
)

// live writes pages again and again while people look at them: once for all who see the
// same, at most every so often, and sends each of them the sections that have changed. Who
// is slow gets the newest of each section and holds up nobody.
type live struct {
	every time.Duration

	mu    sync.Mutex
	shows map[string]*show
}

// show is a page that somebody looks at.
type show struct {
	key     string
	end     context.CancelFunc
	viewers map[*watcher]bool
	last    map[string]template.HTML // sections, as they were sent
	trouble string                   // why it cannot be written now
}

// watcher is one who looks at a show.
type watcher struct {
	wake chan struct{} // has room for one

	mu      sync.Mutex
	pending map[string]template.HTML // sections to be sent
	trouble string
	alive   bool // it was written since the last look
}

func newLive(every time.Duration) *live { return &live{every: every, shows: map[string]*show{}} }

// join adds a watcher to the show of a key, which begins with the first one.
func (l *live) join(key string, write func(context.Context) (page, error)) *watcher {
	w := &watcher{wake: make(chan struct{}, 1), pending: map[string]template.HTML{}}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.shows[key]
	if s == nil {
		ctx, end := context.WithCancel(context.Background())
		s = &show{key: key, end: end, viewers: map[*watcher]bool{}, last: map[string]template.HTML{}}
		l.shows[key] = s
		go l.run(ctx, s, write)
	}
	s.viewers[w] = true
	for id, html := range s.last {
		w.pending[id] = html
	}
	w.tell()
	return w
}

// leave takes a watcher away; the show ends with the last one.
func (l *live) leave(key string, w *watcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.shows[key]
	if s == nil {
		return
	}
	delete(s.viewers, w)
	if len(s.viewers) == 0 {
		s.end()
		delete(l.shows, key)
	}
}

// run writes a page until its show ends.
func (l *live) run(ctx context.Context, s *show, write func(context.Context) (page, error)) {
	ticker := time.NewTicker(l.every)
	defer ticker.Stop()
	for {
		p, err := write(ctx)
		if ctx.Err() != nil {
			return
		}
		l.publish(s, p, err)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// publish hands the sections that have changed to everybody.
func (l *live) publish(s *show, p page, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed := map[string]template.HTML{}
	s.trouble = ""
	if err != nil {
		s.trouble = teal.MessageOf(err)
	} else {
		for _, section := range p.Sections {
			if s.last[section.ID] != section.HTML {
				changed[section.ID] = section.HTML
				s.last[section.ID] = section.HTML
			}
		}
	}
	for w := range s.viewers {
		w.mu.Lock()
		for id, html := range changed {
			w.pending[id] = html
		}
		w.trouble, w.alive = s.trouble, true
		w.mu.Unlock()
		w.tell()
	}
}

func (w *watcher) tell() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// take returns what is to be sent: what is wrong, or else the sections, which wait as long as
// something is wrong.
func (w *watcher) take() (sections map[string]template.HTML, trouble string, alive bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.trouble != "" {
		return nil, w.trouble, false
	}
	sections, alive = w.pending, w.alive
	w.pending, w.alive = map[string]template.HTML{}, false
	return sections, "", alive
}

// follow sends the sections of a page as they change, until the browser goes, the session
// ends or the server does.
func (c *Console) follow(rw http.ResponseWriter, r *http.Request, v *viewer, make maker) {
	ctx, end := c.watched(r.Context(), v)
	defer end()
	shared := &viewer{console: c, caller: v.caller, api: v.api} // without a session: several people see it
	request := r.Clone(ctx)
	key := v.sees() + "\n" + r.URL.RequestURI()
	w := c.live.join(key, func(ctx context.Context) (page, error) {
		c.trends.wanted(c.cfg.Now())
		return make(ctx, shared, request)
	})
	defer c.live.leave(key, w)
	stream := openStream(rw)
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		sections, trouble, alive := w.take()
		if err := stream.sendSections(sections, trouble, alive); err != nil {
			return
		}
	}
}

// sessionCheck is how often a stream looks whether its session still holds.
const sessionCheck = 2 * time.Second

// watched returns a context that ends with a request, and when the session of its viewer
// ends or its token proves nothing any more.
func (c *Console) watched(ctx context.Context, v *viewer) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		ticker := time.NewTicker(sessionCheck)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-c.closing:
				cancel()
			case <-ticker.C:
				if v.session.over(c.cfg.Now()) || !v.caller.Shared && !c.cfg.Access.Holds(v.caller) || !c.sessions.has(v.session) {
					cancel()
				}
			}
		}
	}()
	return ctx, cancel
}

// stream is a stream of server-sent events.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func openStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	s := &stream{w, http.NewResponseController(w)}
	_ = s.control.Flush()
	return s
}

// send sends one event.
func (s *stream) send(event, data string) error {
	var b strings.Builder
	b.WriteString("event: " + event + "\n")
	for line := range strings.SplitSeq(data, "\n") {
		b.WriteString("data: " + strings.TrimSuffix(line, "\r") + "\n")
	}
	b.WriteString("\n")
	if _, err := s.w.Write([]byte(b.String())); err != nil {
		return err
	}
	return s.control.Flush()
}

func (s *stream) sendSections(sections map[string]template.HTML, trouble string, alive bool) error {
	if trouble != "" {
		return s.send("trouble", trouble)
	}
	if len(sections) == 0 && !alive {
		return nil
	}
	data, err := json.Marshal(sections)
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	return s.send("sections", string(data))
}
