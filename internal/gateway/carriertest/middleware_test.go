package carriertest

import (
	"testing"

	"teal/internal/gateway/exchange"
)

// What a middleware has claimed by the host alone is served by the loops, and is the
// same as what it has claimed itself.
//
// Seen red with loops that hand over what they have a claim for.
func TestMiddleware(t *testing.T) {
	each(t, exchange.Config{}, func(t *testing.T, s *site) {
		s.function.says(`{"statusCode": 200, "body": "ok"}`)
		measured := 0
		for range 2 {
			for _, host := range []string{"url.example", "own.example"} {
				c := s.connect()
				for range 2 {
					c.send(parseAsk(t, "POST /a/b?c\nhost: "+host+"\ncontent-type: text/plain\n\nbody"))
					expect(t, c.reply(0), "200\ncontent-type: text/plain;charset=UTF-8\nlength 2\n\nok")
					measured++
					if sample := s.meters["fn"].last(t, measured); sample.Status != 200 || sample.Path != "/a/b?c" {
						t.Errorf("measured: %+v", sample)
					}
					if r := s.records.next(t); r.Host != host || r.Component != "fn" || r.Alias != "live" || r.Version != 7 || r.Route != "" || r.In != 4 || r.Out != 2 {
						t.Errorf("recorded: %+v", r)
					}
				}
			}
		}
		want := int64(8)
		if !s.carrier.plain {
			want = 4 // own.example's
		}
		if n := s.handled.Load(); n != want {
			t.Errorf("the middleware has seen %d requests, want %d", n, want)
		}
	})
}
