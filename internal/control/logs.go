package control

import (
	"context"
	"iter"

	"teal/internal/api"
	"teal/internal/logs"
)

// Logs returns the logs as the API reads them.
func Logs(s *logs.Store) api.Logs { return logReader{s} }

type logReader struct{ store *logs.Store }

// Read implements [api.Logs].
func (l logReader) Read(ctx context.Context, q api.LogQuery) iter.Seq2[api.LogLine, error] {
	return func(yield func(api.LogLine, error) bool) {
		for line, err := range l.store.Read(ctx, logs.Query(q)) {
			if !yield(api.LogLine(line), err) {
				return
			}
		}
	}
}
