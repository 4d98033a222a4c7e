package queue_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teal/internal/queue"
	"teal/internal/store/natskv"
)

// BenchmarkSend accepts messages of 1 KiB durably, on the disk of the temporary folder.
// Run it with -benchtime=200000x for a figure.
func BenchmarkSend(b *testing.B) {
	for _, batch := range []int{1, 10, 100} {
		for _, producers := range []int{1, 8} {
			b.Run(fmt.Sprintf("batch=%d/producers=%d", batch, producers), func(b *testing.B) { benchmarkSend(b, batch, producers) })
		}
	}
}

func benchmarkSend(b *testing.B, batch, producers int) {
	db, err := natskv.Open(b.Context(), natskv.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	broker := queue.New(queue.Config{KV: db, Logger: slog.New(slog.DiscardHandler), Limits: queue.Limits{Messages: 10_000_000, Bytes: 16 << 30}})
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- broker.Run(ctx) }()
	defer func() { stop(); <-ended }()
	messages := make([]queue.Outgoing, batch)
	for i := range messages {
		messages[i].Body = make([]byte, 1024)
		for n := range messages[i].Body {
			messages[i].Body[n] = 'x'
		}
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	var tasks sync.WaitGroup
	b.ResetTimer()
	start := time.Now()
	for range producers {
		tasks.Go(func() {
			for left.Add(-int64(batch)) >= -int64(batch)+1 {
				if _, err := broker.Send(ctx, "orders", messages); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	tasks.Wait()
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "messages/s")
}
