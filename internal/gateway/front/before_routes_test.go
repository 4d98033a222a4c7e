package front

import (
	"net"
	"net/http"
	"testing"

	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// asking is an authority that asks about shop.example, which has a certificate.
type asking struct{}

func (asking) Challenge(host, path string) (string, bool) {
	return "the answer", host == "shop.example" && path == "/.well-known/acme-challenge/token"
}

func (asking) Instead(host string) (string, bool) { return "https://" + host, host == "shop.example" }

// What an authority asks is answered before the routes, what it does not ask is the
// app's own; other requests for a host with a certificate are sent to HTTPS.
func TestBeforeTheRoutes(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := New(Config{Config: exchange.Config{Gateway: gateway.New(), Certificates: asking{}}})
	done := make(chan error, 1)
	go func() { done <- server.Serve(t.Context(), l) }()
	t.Cleanup(func() { <-done })
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for _, c := range []struct {
		host, path, location string
		status               int
	}{
		{"Shop.example:80", "/.well-known/acme-challenge/token", "", 200},
		{"shop.example", "/.well-known/acme-challenge/other", "", 404},
		{"other.example", "/.well-known/acme-challenge/token", "", 404},
		{"shop.example", "/a%20b?q=1", "https://shop.example/a%20b?q=1", 308},
		{"other.example", "/a", "", 404},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String()+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = c.host
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != c.status || response.Header.Get("Location") != c.location {
			t.Errorf("%s%s: %d to %q", c.host, c.path, response.StatusCode, response.Header.Get("Location"))
		}
	}
}
