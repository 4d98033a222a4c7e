package api_test

import (
	"net/http"
	"strings"
	"testing"

	"teal/internal/api"
	"teal/internal/api/apitest"
)

// What programs say to queues, and what they are told.
func TestQueueMessages(t *testing.T) {
	t.Parallel()
	fake := apitest.New()
	c := serve(t, fake, api.Config{})
	large := strings.Repeat("x", 100<<10)
	for _, test := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/v1/queues/orders", "", 404, "unknown_queue"},
		{"POST", "/v1/queues/orders/messages", `{"body":"one","group":"a","delay":"1s"}`, 202, `{"messages":[{"id":"m1"}]}`},
		{"POST", "/v1/queues/orders/messages", `{"messages":[{"body":"two"},{"body":"` + large + `"}]}`, 202, `{"messages":[{"id":"m2"},{"id":"m3"}]}`},
		{"POST", "/v1/queues/orders/messages", `{"messages":[{"body":"two"}],"body":"one"}`, 400, "one of the two"},
		{"POST", "/v1/queues/orders/messages", `{"body":`, 400, "invalid_input"},
		{"POST", "/v1/queues/orders/messages", `{"body":"x","delay":"soon"}`, 400, "soon"},
		{"POST", "/v1/queues/a%20b/messages", `{"body":"x"}`, 400, "queue name"},
		{"GET", "/v1/queues", "", 200, `"name":"orders"`},
		{"POST", "/v1/queues/orders/receive", `{"most":2}`, 200, `"receipt":"of-m2"`},
		{"POST", "/v1/queues/orders/receive", `{"most":2000}`, 400, "most"},
		{"POST", "/v1/queues/orders/extend", `{"receipts":["of-m1"],"visibility":"1m"}`, 204, ""},
		{"POST", "/v1/queues/orders/results", `{"results":[{"receipt":"of-m1"},{"receipt":"of-m2","outcome":"failed","reason":"no"}]}`, 204, ""},
		{"POST", "/v1/queues/orders/results", `{"results":[{"receipt":"of-m1"}]}`, 409, "conflict"},
		{"POST", "/v1/queues/orders/results", `{"results":[{"receipt":"of-m1","outcome":"lost"}]}`, 400, "outcome"},
		{"GET", "/v1/queues/orders/dead", "", 200, `{"dead":[]}`},
		{"POST", "/v1/queues/orders/redrive", "", 200, `{"messages":0}`},
		{"POST", "/v1/queues/orders/purge", "", 200, `{"messages":3}`},
	} {
		a := c.call(test.method, test.path, test.body)
		if a.status != test.status || !strings.Contains(a.body, test.says) {
			t.Errorf("%s %s %.60s: %d %.300s", test.method, test.path, test.body, a.status, a.body)
		}
	}
	fake.FillQueues()
	a := c.call("POST", "/v1/queues/orders/messages", `{"body":"one"}`)
	if p := a.problem(t); a.status != http.StatusTooManyRequests || p.Code != "queue_full" || a.header.Get("Retry-After") != "1" {
		t.Errorf("a full queue: %d %s %v", a.status, a.body, a.header)
	}
}
