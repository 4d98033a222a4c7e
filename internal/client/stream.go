package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"teal"
	"teal/internal/api"
)

// Event is one record of an app as it is now, or the news that it is gone.
type Event struct {
	Revision uint64          `json:"revision"`
	Kind     api.EventKind   `json:"kind"`
	App      string          `json:"app"`
	Name     string          `json:"name,omitempty"`
	Deleted  bool            `json:"deleted,omitempty"`
	Value    json.RawMessage `json:"value,omitempty"`
}

// Release returns the release that the event is about; false for another kind
// and for a deletion.
func (e Event) Release() (api.ReleaseView, bool) { return value[api.ReleaseView](e, api.EventRelease) }

// Environment returns the environment that the event is about; false for
// another kind and for a deletion.
func (e Event) Environment() (api.EnvironmentEvent, bool) {
	return value[api.EnvironmentEvent](e, api.EventEnvironment)
}

// AppRecord returns the app that the event is about; false for another kind and for a
// deletion.
func (e Event) AppRecord() (api.AppView, bool) { return value[api.AppView](e, api.EventApp) }

// Alias returns the alias that the event is about; false for another kind and
// for a deletion.
func (e Event) Alias() (api.AliasEvent, bool) { return value[api.AliasEvent](e, api.EventAlias) }

func value[T any](e Event, kind api.EventKind) (T, bool) {
	var v T
	if e.Kind != kind || e.Deleted {
		return v, false
	}
	err := json.Unmarshal(e.Value, &v)
	return v, err == nil
}

// errSilent says that not even a heartbeat came.
var errSilent = errors.New("the server has fallen silent")

// Events yields the records of an app, or of all apps when app is "", then every
// change, until ctx ends. The last
// thing that it yields otherwise is an error: that of the server when it refused,
// one with ErrUnreachable when the stream broke or the server ended it. Call it
// again to go on: it begins with all records as they are then.
func (c *Client) Events(ctx context.Context, app string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		alive, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		watchdog := time.AfterFunc(c.patience, func() { cancel(errSilent) })
		defer watchdog.Stop()

		path := []string{"apps", app, "events"}
		if app == "" {
			path = []string{"events"}
		}
		resp, err := c.send(alive, request{method: http.MethodGet, path: path})
		if err != nil {
			c.yieldError(ctx, err, yield)
			return
		}
		defer func() { _ = resp.Body.Close() }()
		for f, err := range frames(&pulse{resp.Body, watchdog, c.patience}) {
			var event Event
			if err == nil {
				err = json.Unmarshal([]byte(f.Data), &event)
			}
			if err != nil {
				c.yieldError(ctx, c.badAnswer(ctx, err), yield)
				return
			}
			if !yield(event, nil) {
				return
			}
		}
		c.yieldError(ctx, c.unreachable(ctx, io.ErrUnexpectedEOF), yield)
	}
}

// yieldError yields why a stream ended, unless the caller ended it.
func (c *Client) yieldError(ctx context.Context, err error, yield func(Event, error) bool) {
	if ctx.Err() != nil {
		return
	}
	if errors.Is(err, errSilent) {
		err = c.unreachable(ctx, err)
	}
	yield(Event{}, err)
}

// pulse puts the watchdog off whenever something arrives.
type pulse struct {
	io.Reader
	watchdog *time.Timer
	patience time.Duration
}

func (p *pulse) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	if n > 0 {
		p.watchdog.Reset(p.patience)
	}
	return n, err // io.EOF must stay io.EOF
}

// Logs yields what the app's components have written, oldest first; with Follow
// until ctx ends. An error is the last thing that it yields; for a stream that
// broke it has ErrUnreachable.
func (c *Client) Logs(ctx context.Context, q api.LogQuery) iter.Seq2[api.LogLine, error] {
	return func(yield func(api.LogLine, error) bool) {
		resp, err := c.send(ctx, request{method: http.MethodGet, path: []string{"apps", q.App, "logs"}, query: logQuery(q)})
		if err != nil {
			if ctx.Err() == nil {
				yield(api.LogLine{}, err)
			}
			return
		}
		defer func() { _ = resp.Body.Close() }()
		for decoder := json.NewDecoder(resp.Body); ; {
			line, err := nextLine(decoder)
			var told *teal.Error
			switch {
			case ctx.Err() != nil, errors.Is(err, io.EOF) && !q.Follow:
				return
			case err != nil && !errors.As(err, &told):
				err = c.badAnswer(ctx, err)
			}
			if !yield(line, err) || err != nil {
				return
			}
		}
	}
}

func nextLine(decoder *json.Decoder) (api.LogLine, error) {
	entry := api.LogEntry{LogLine: &api.LogLine{}}
	if err := decoder.Decode(&entry); err != nil {
		return api.LogLine{}, fmt.Errorf("log stream: %w", err)
	}
	if entry.Error != nil {
		return api.LogLine{}, &teal.Error{Code: entry.Error.Code, Message: entry.Error.Message}
	}
	return *entry.LogLine, nil
}

func logQuery(q api.LogQuery) url.Values {
	query := url.Values{}
	if q.Version > 0 {
		query.Set("version", strconv.Itoa(int(q.Version)))
	}
	set(query, "component", q.Component)
	set(query, "instance", q.Instance)
	set(query, "request_id", q.RequestID)
	set(query, "grep", q.Text)
	if !q.Since.IsZero() {
		query.Set("since", q.Since.Format(time.RFC3339Nano))
	}
	if q.Tail > 0 {
		query.Set("tail", strconv.Itoa(q.Tail))
	}
	if q.Follow {
		query.Set("follow", "true")
	}
	return query
}
