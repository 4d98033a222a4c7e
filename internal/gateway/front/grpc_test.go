package front

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// grpcCall begins a gRPC call without a gRPC library.
func grpcCall(t *testing.T, ctx context.Context, c *http.Client, addr string) (*http.Response, io.WriteCloser) {
	t.Helper()
	reader, writer := io.Pipe()
	r, _ := http.NewRequestWithContext(ctx, "POST", "http://"+addr+"/shop.Cart/Add", reader)
	r.Header.Set("Content-Type", "application/grpc+proto")
	r.Header.Set("Te", "trailers")
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response, writer
}

// Messages go both ways at once, as far apart as they like, and the status comes
// in the trailers. Seen red with a limit on the time between two messages.
func TestGRPCStreamsBothWays(t *testing.T) {
	s := start(t, http2Backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc+proto")
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		if r.Header.Get("Te") != "trailers" {
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "13")
		}
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(flushing{w}, r.Body)
	}), exchange.Config{Limits: gateway.Limits{BodyStall: 50 * time.Millisecond}})
	response, up := grpcCall(t, t.Context(), http2Client(t), s.addr)
	for _, message := range []string{"one", "two"} {
		send(t, up, message)
		got := make([]byte, 3)
		if _, err := io.ReadFull(response.Body, got); err != nil || string(got) != message {
			t.Fatalf("%q, %v", got, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
	_ = up.Close()
	if _, err := io.ReadAll(response.Body); err != nil || response.Trailer.Get("Grpc-Status") != "0" {
		t.Errorf("trailers %v, %v", response.Trailer, err)
	}
	s.nothingInFlight()
}

func TestAnErrorIsAGRPCStatus(t *testing.T) {
	for status, web := range map[string]*gateway.Component{"14": {Endpoints: &upstreams{}, HTTP2: true}, "12": nil} {
		s := start(t, or2(web, says(`"hi"`)), exchange.Config{Override: everybody})
		reader, writer := io.Pipe()
		_ = writer.Close()
		r := s.request("POST", "/shop.Cart/Add", reader, "Content-Type", "application/grpc")
		if web == nil {
			r.Header.Set("Teal-Version", "9")
		}
		response, err := http2Client(t).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != 200 || len(body) != 0 || response.Header.Get("Content-Type") != "application/grpc" ||
			response.Header.Get("Grpc-Status") != status || response.Header.Get("Grpc-Message") == "" {
			t.Errorf("%d %v %q, %v", response.StatusCode, response.Header, body, err)
		}
	}
}

// What a call is worth stands at its end. Seen red without noteGRPC.
func TestAGRPCStatusIsAFault(t *testing.T) {
	for status, want := range map[string]gateway.Fault{"0": gateway.FaultNone, "5": gateway.FaultNone, "13": gateway.FaultStatus, "4": gateway.FaultTimeout} {
		for _, bare := range []bool{false, true} {
			meter := &recorder{}
			web := http2Backend(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/grpc")
				if bare {
					w.Header().Set("Grpc-Status", status)
					return
				}
				w.Header().Set(http.TrailerPrefix+"Grpc-Status", status)
				_, _ = io.WriteString(w, "message")
			})
			web.Meter = meter
			s := start(t, web, exchange.Config{})
			response, up := grpcCall(t, t.Context(), http2Client(t), s.addr)
			_ = up.Close()
			_, _ = io.Copy(io.Discard, response.Body)
			if got := meter.only(t); got.Status != 200 || got.Fault != want {
				t.Errorf("status %s, bare %t: %+v, want fault %d", status, bare, got.Result, want)
			}
		}
	}
}

func or2(c, otherwise *gateway.Component) *gateway.Component {
	if c == nil {
		return otherwise
	}
	return c
}

func TestTheDrainDeadlineOfGRPC(t *testing.T) {
	s := start(t, http2Backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(io.Discard, r.Body)
	}), exchange.Config{})
	response, up := grpcCall(t, t.Context(), http2Client(t), s.addr)
	defer func() { _ = up.Close() }()
	s.inFlight(1)
	drained := s.env.Retire()
	s.env.Cancel()
	receive(t, drained, "drain")
	if _, err := io.ReadAll(response.Body); err == nil {
		t.Error("a call that was cut off looks complete")
	}
}

// flushing passes on every write at once.
type flushing struct{ http.ResponseWriter }

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	if err == nil {
		err = http.NewResponseController(f.ResponseWriter).Flush()
	}
	return n, err
}
