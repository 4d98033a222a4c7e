package function

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"teal"
)

func warm(b *testing.B, options ...func(*Config)) *running {
	b.Helper()
	r := start(b, options...)
	for range 20 {
		r.ok("{}")
	}
	return r
}

// percentiles reports what a mean hides.
func percentiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(took[(len(took)-1)*p/100].Microseconds()), fmt.Sprintf("p%d-µs", p))
	}
}

// BenchmarkWarmInvoke is one invocation after the other.
func BenchmarkWarmInvoke(b *testing.B) {
	for name, option := range map[string]func(*Config){"go": golang, "python": python("app.echo"), "node": node("app.echo")} {
		b.Run(name, func(b *testing.B) {
			r := warm(b, option)
			in := teal.Invocation{Event: []byte(`{}`)}
			took := make([]time.Duration, 0, b.N)
			b.ReportAllocs()
			for b.Loop() {
				began := time.Now()
				if _, err := r.Invoke(b.Context(), in); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			percentiles(b, took)
		})
	}
}

// BenchmarkWarmInvokeHTTP is the same behind a net/http server, with a client on
// one connection: what a request costs.
func BenchmarkWarmInvokeHTTP(b *testing.B) {
	r := warm(b, golang)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		answer, err := r.Invoke(req.Context(), teal.Invocation{Event: []byte(`{}`)})
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = w.Write(answer.Payload)
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	nc, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	response := make([]byte, 4096)
	took := make([]time.Duration, 0, b.N)
	for b.Loop() {
		began := time.Now()
		if _, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			b.Fatal(err)
		}
		if _, err := nc.Read(response); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	percentiles(b, took)
	_ = nc.Close()
	_ = server.Close()
	<-ended
}

// BenchmarkWarmInvokeParallel is 16 callers on 16 instances.
func BenchmarkWarmInvokeParallel(b *testing.B) {
	r := warm(b, golang, concurrency(16, 16))
	in := teal.Invocation{Event: []byte(`{}`)}
	b.SetParallelism(8) // times GOMAXPROCS
	began := time.Now()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := r.Invoke(b.Context(), in); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "invocations/s")
}

// BenchmarkColdStart is from Run to the first answer.
func BenchmarkColdStart(b *testing.B) {
	for name, option := range map[string]func(*Config){"go": golang, "python": python("blue.lambda_handler"), "node": node("index.handler")} {
		b.Run(name, func(b *testing.B) {
			if _, err := goHello(); err != nil {
				b.Fatal(err)
			}
			runner := newRunner(b)
			// The interpreter is looked for once per pool; here once for all.
			first := start(b, option, func(c *Config) { c.Start = runner.Start })
			first.stop()
			var sum time.Duration
			n := 0
			for b.Loop() {
				r := launch(b, option, concurrency(0, 1), func(c *Config) { c.Start = runner.Start })
				r.lookup.Lock()
				r.found = first.found
				r.lookup.Unlock()
				began := time.Now()
				eventually(b, "it runs", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.running })
				r.ok("{}")
				sum += time.Since(began)
				n++
				r.stop()
			}
			b.ReportMetric(float64(sum.Microseconds())/float64(n)/1000, "ms-to-first-answer")
		})
	}
}
