package daemon

import (
	"context"
	"iter"

	"teal/internal/api"
	"teal/internal/logs"
)

// logReader shows the logs to the API.
type logReader struct{ store *logs.Store }

func (l logReader) Read(ctx context.Context, q api.LogQuery) iter.Seq2[api.LogLine, error] {
	return func(yield func(api.LogLine, error) bool) {
		for line, err := range l.store.Read(ctx, logs.Query(q)) {
			if !yield(api.LogLine(line), err) {
				return
			}
		}
	}
}
