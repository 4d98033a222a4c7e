package environment

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/gateway/front"
)

// street is a city whose environments can be called.
type street struct {
	*city
	*front.Server
	meter *counter
}

func (s street) Of(string, teal.VersionRef, string) gateway.Meter { return s.meter }

func (s street) Version(ctx context.Context, app string, number teal.VersionRef) (teal.Version, error) {
	v, err := s.city.Version(ctx, app, number)
	v.Spec.Routes = []teal.Route{{Host: "shop.example", Path: "/f", To: "f"}}
	return v, err
}

// counter counts nothing in: nobody here is a user.
type counter struct{ begun int }

func (c *counter) Begin()              { c.begun++ }
func (*counter) Record(gateway.Sample) {}
func (*counter) Done()                 {}

// A version that no alias points to answers at its addresses, by its own routes
// and for one component, and whoever asks there is no user.
func TestAPreviewAnswersBeforeAnybodyPointsToIt(t *testing.T) {
	c := newCity(t)
	s := street{city: c, Server: front.New(front.Config{Config: exchange.Config{Gateway: gateway.New()}}), meter: &counter{}}
	m := New(Config{
		Records: s, Bundles: s, Processes: s, Siblings: s.Server, Logs: s, Usage: s, DataPlane: s, Meters: s,
		WorkDir: filepath.Join(t.TempDir(), "work"), Logger: slog.New(slog.DiscardHandler), Changed: func(string) {},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-m.Recovered()
	provision(t, m, 1)
	awaitReady(t, m, 1)
	web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	for _, call := range []struct{ component, path string }{{"", "/f/x"}, {"f", "/whatever"}} {
		address, err := m.Address(shop, 1, call.component)
		if err != nil {
			t.Fatal(err)
		}
		response, err := web.Get(address + call.path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		// The function fails, because an HTTP event says nothing about seconds:
		// so it was asked.
		if response.StatusCode != http.StatusBadGateway || response.Header.Get("Teal-Version") != "1" {
			t.Errorf("%q%s: %s of version %s: %s", call.component, call.path, response.Status, response.Header.Get("Teal-Version"), body)
		}
	}
	if s.meter.begun != 0 {
		t.Errorf("%d requests are taken for users'", s.meter.begun)
	}
}
