package tracing

import (
	"strconv"
	"sync/atomic"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// bound lets through no more spans than the batches behind it have room for, and
// counts the others: the SDK drops them, too, but does not say how many.
type bound struct {
	sdktrace.SpanProcessor
	most    int64
	waiting atomic.Int64 // handed on and not sent yet
	dropped atomic.Int64
}

func newBound(to sdktrace.SpanExporter, getenv func(string) string) *bound {
	most := sdktrace.DefaultMaxQueueSize
	if n, err := strconv.Atoi(getenv("OTEL_BSP_MAX_QUEUE_SIZE")); err == nil && n > 0 {
		most = n
	}
	return &bound{SpanProcessor: sdktrace.NewBatchSpanProcessor(to, sdktrace.WithMaxQueueSize(most)), most: int64(most)}
}

// OnEnd implements [sdktrace.SpanProcessor]. It does not block.
func (b *bound) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return // nobody wants it
	}
	if b.waiting.Add(1) > b.most {
		b.waiting.Add(-1)
		b.dropped.Add(1)
		return
	}
	b.SpanProcessor.OnEnd(s)
}

// sent takes spans that are not waiting any more, and whether they were dropped.
func (b *bound) sent(spans int, err error) {
	b.waiting.Add(-int64(spans))
	if err != nil {
		b.dropped.Add(int64(spans))
	}
}
