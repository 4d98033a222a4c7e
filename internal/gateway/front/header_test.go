package front

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// eachFront runs f with a client of the public listener's that the event loops
// serve, and with one that net/http serves.
func eachFront(t *testing.T, f func(t *testing.T, c *http.Client)) {
	t.Helper()
	t.Run("HTTP/1.1", func(t *testing.T) { f(t, client(t)) })
	t.Run("HTTP/2", func(t *testing.T) { f(t, http2Client(t)) })
}

// seen is a service and a function that keep the headers of the last request.
type seen struct{ headers map[string]string }

func (s *seen) keep(h http.Header) {
	s.headers = map[string]string{}
	for name, values := range h {
		s.headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
}

func (s *seen) components(t *testing.T) map[string]*gateway.Component {
	return map[string]*gateway.Component{
		"service": service(backend(t, func(_ http.ResponseWriter, r *http.Request) { s.keep(r.Header) })),
		"function": function(func(_ context.Context, in teal.Invocation) (teal.Answer, error) {
			var event struct{ Headers map[string]string }
			err := json.Unmarshal(in.Event, &event)
			s.headers = event.Headers
			return teal.Answer{Payload: []byte(`{"statusCode":200}`)}, err
		}),
	}
}

// Behind WSGI and CGI X_Forwarded_For and X-Forwarded-For are the same: names with
// underscores do not reach a component, unless the server is told to pass them,
// and never those that would be taken for Teal's or a proxy's.
//
// Seen red with rules that do not look for underscores, and with rules that pass
// all of them.
func TestNamesWithUnderscores(t *testing.T) {
	for _, passed := range []bool{false, true} {
		for _, trusted := range []bool{false, true} {
			for _, kind := range []string{"service", "function"} {
				t.Run(fmt.Sprint(kind, " passed ", passed, " trusted ", trusted), func(t *testing.T) {
					var got seen
					config := exchange.Config{Underscores: passed}
					if trusted {
						config.Trusted = everybody
					}
					s := start(t, got.components(t)[kind], config)
					eachFront(t, func(t *testing.T, c *http.Client) {
						r := s.request("GET", "/", nil, "X-Keep", "1")
						for _, name := range []string{"X_Forwarded_For", "x_forwarded-proto", "Teal_Version", "teal_alias", "X_Real_IP", "X_Own"} {
							r.Header[name] = []string{"forged"}
						}
						response, err := c.Do(r)
						if err != nil {
							t.Fatal(err)
						}
						_ = response.Body.Close()
						for name, value := range got.headers {
							if own := name == "x_own" && passed; strings.Contains(name, "_") && !own || value == "forged" && !own {
								t.Errorf("the component got %s: %s", name, value)
							}
						}
						if got.headers["x-keep"] != "1" || got.headers["teal-version"] != "7" || passed && got.headers["x_own"] != "forged" {
							t.Errorf("the component got %v", got.headers)
						}
					})
				})
			}
		}
	}
}

// Trailers are filtered alike by both carriers, both ways: nothing that frames or
// routes, that only Teal or a proxy says, or that looks like it.
//
// Seen red with a carrier on net/http that passes the client's trailer on whole.
func TestTrailersAreFiltered(t *testing.T) {
	got := make(chan http.Header, 1)
	handler := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got <- r.Trailer
		w.Header().Set("Trailer", "X-Sum, Teal-Version, Set-Cookie")
		_, _ = io.WriteString(w, "body")
		_ = http.NewResponseController(w).Flush() // the length is not known
		w.Header().Set("X-Sum", "42")
		w.Header().Set("Teal-Version", "99")
		w.Header().Set("Set-Cookie", "a=b")
		w.Header().Set(http.TrailerPrefix+"X-Late", "1")
	}
	for name, web := range map[string]*gateway.Component{"to HTTP/1.1": service(backend(t, handler)), "to HTTP/2": http2Backend(t, handler)} {
		t.Run(name, func(t *testing.T) {
			s := start(t, web, exchange.Config{Trusted: everybody})
			eachFront(t, func(t *testing.T, c *http.Client) {
				r := s.request("POST", "/", io.MultiReader(strings.NewReader("data")))
				r.Trailer = http.Header{"X-Client-Sum": {"17"}}
				for _, name := range []string{"Teal-Version", "X-Forwarded-For", "Forwarded", "X-Real-Ip", "Cookie", "X_under", "Teal_alias"} {
					r.Trailer[name] = []string{"forged"}
				}
				response, err := c.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				trailer := withValues(receive(t, got, "the request"))
				if len(trailer) != 1 || trailer.Get("X-Client-Sum") != "17" {
					t.Errorf("the service got the trailer %v", trailer)
				}
				if len(withValues(response.Trailer)) != 2 || response.Trailer.Get("X-Sum") != "42" || response.Trailer.Get("X-Late") != "1" {
					t.Errorf("the client got the trailer %v", response.Trailer)
				}
			})
			s.nothingInFlight()
		})
	}
}

// withValues returns the fields that have come: those that were only announced
// have no value.
func withValues(trailer http.Header) http.Header {
	for name, values := range trailer {
		if len(values) == 0 {
			delete(trailer, name)
		}
	}
	return trailer
}
