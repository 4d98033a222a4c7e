package consumer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"teal"
	"teal/internal/gateway"
	"teal/internal/queue"
	"teal/internal/store"
)

func batchOf(bodies ...string) (batch []queue.Delivery) {
	for n, body := range bodies {
		batch = append(batch, queue.Delivery{
			Message:  queue.Message{ID: fmt.Sprint("m", n), Body: []byte(body), SentAt: time.UnixMilli(1_700_000_000_123)},
			Sequence: uint64(40 + n), Receipt: fmt.Sprint("r", n), Failures: n,
		})
	}
	return batch
}

// What an answer says of the messages of a batch, and what is measured of each. Seen red
// with an unknown identifier ignored, with null taken for no failure, and with messages
// that have failed by their own measured as the answer is.
func TestPartialAnswers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		a    answer
		want string // D done, F failed, U untried; one for each message
	}{
		{"nothing", answer{}, "DD"},
		{"text", answer{said: []byte(`"ok"`)}, "DD"},
		{"no JSON", answer{said: []byte(`<html>`)}, "DD"},
		{"none", answer{said: []byte(`{"batchItemFailures": []}`)}, "DD"},
		{"null", answer{said: []byte(`{"batchItemFailures": null}`)}, "DD"},
		{"the second", answer{said: []byte(`{"batchItemFailures": [{"itemIdentifier": "m1"}]}`)}, "DF"},
		{"one of another batch", answer{said: []byte(`{"batchItemFailures": [{"itemIdentifier": "m7"}]}`)}, "FF"},
		{"no identifier", answer{said: []byte(`{"batchItemFailures": [{"itemIdentifier": null}]}`)}, "FF"},
		{"an empty one", answer{said: []byte(`{"batchItemFailures": [{"itemIdentifier": ""}]}`)}, "FF"},
		{"a failure", answer{result: queue.Result{Outcome: queue.Failed}, said: []byte(`{"batchItemFailures": []}`)}, "FF"},
		{"no room", answer{result: outcomeOf(teal.Errorf(teal.CodeThrottled, "no room"))}, "UU"},
		{"not there any more", answer{result: outcomeOf(teal.Errorf(teal.CodeUnknownComponent, "gone"))}, "FF"},
	} {
		test.a.seen.Status = 200
		got := ""
		for _, r := range test.a.results(batchOf("a", "b")) {
			got += string("DFU"[r.Outcome])
			seen := test.a.measured(r)
			if own := r.Outcome == queue.Failed && test.name == "the second"; own && (seen.Fault != gateway.FaultFunction || seen.Failure == nil) {
				t.Errorf("%s: a message that has failed by its own is measured as %+v", test.name, seen)
			}
			if failed := seen.Fault != gateway.FaultNone; failed != (r.Outcome == queue.Failed) {
				t.Errorf("%s: %+v is measured as %+v", test.name, r, seen)
			}
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// aliases are live aliases by app.
type aliases map[string][]teal.Target

func (aliases) Apps() []teal.App { return nil }
func (a aliases) Alias(key store.AliasKey) (store.Record[teal.Alias], bool) {
	return store.Record[teal.Alias]{Value: teal.Alias{App: key.App, Name: key.Name, Targets: a[key.App]}}, true
}

// Each message that belongs to no version is taken by one of live's: the one that the
// weights choose, or the other one where that does not read the queue. Seen red with
// picked not compared, and with mayRead not asked.
func TestTakes(t *testing.T) {
	t.Parallel()
	both := []teal.Target{{Version: 1, Weight: teal.Percent(80)}, {Version: 2, Weight: teal.Percent(20)}}
	for _, test := range []struct {
		name    string
		targets []teal.Target
		reads   [3]bool // of v1 to v3
		want    [3]int  // of 100 points
	}{
		{"both", both, [3]bool{true, true, true}, [3]int{80, 20, 0}},
		{"one", teal.Only(1), [3]bool{true, true, true}, [3]int{100, 0, 0}},
		{"the new one does not read", both, [3]bool{true, false, true}, [3]int{100, 0, 0}},
		{"only the new one reads", both, [3]bool{false, true, true}, [3]int{0, 100, 0}},
		{"nothing is live", nil, [3]bool{true, true, true}, [3]int{}},
	} {
		c := New(Config{Apps: aliases{"shop": test.targets}})
		known := reads{}
		for n, does := range test.reads {
			known[store.EnvironmentKey{App: "shop", Version: teal.VersionRef(n + 1)}] = map[string]bool{"orders": does}
		}
		c.known.Store(&known)
		var got [3]int
		for n, does := range test.reads {
			r := &reader{consumer: c, version: store.EnvironmentKey{App: "shop", Version: teal.VersionRef(n + 1)}, trigger: teal.Trigger{Queue: &teal.QueueTrigger{Queue: "orders"}}}
			for point := teal.Weight(0); does && point < teal.All; point += 100 {
				if r.takes(point) {
					got[n]++
				}
			}
		}
		if got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// The event is AWS's. Seen red with the receive count beginning at 0.
func TestEvent(t *testing.T) {
	t.Parallel()
	c := New(Config{QueueARN: func(name string) string { return "arn:aws:sqs:us-east-1:000000000000:" + name }, Region: "us-east-1"})
	batch := batchOf("hello", "again")
	batch[1].Group, batch[1].Deduplication = "g", "d"
	batch[1].Attributes = map[string]queue.Attribute{"kind": {Type: "String", Value: "new"}, "raw": {Type: "Binary", Value: "AAE="}}
	var event struct{ Records []map[string]any }
	if err := json.Unmarshal(c.event("orders", batch), &event); err != nil {
		t.Fatal(err)
	}
	data, _ := json.Marshal(event.Records[1])
	delete(event.Records[0]["attributes"].(map[string]any), "ApproximateFirstReceiveTimestamp")
	first, _ := json.Marshal(event.Records[0])
	if want := `{"attributes":{"ApproximateReceiveCount":"1","SenderId":"teal","SentTimestamp":"1700000000123"},"awsRegion":"us-east-1","body":"hello","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:000000000000:orders","md5OfBody":"5d41402abc4b2a76b9719d911017c592","messageAttributes":{},"messageId":"m0","receiptHandle":"r0"}`; string(first) != want {
		t.Errorf("%s\nwant %s", first, want)
	}
	for _, part := range []string{`"ApproximateReceiveCount":"2"`, `"MessageGroupId":"g"`, `"MessageDeduplicationId":"d"`, `"SequenceNumber":"41"`, `"kind":{"binaryListValues":[],"dataType":"String","stringListValues":[],"stringValue":"new"}`, `"binaryValue":"AAE="`} {
		if !strings.Contains(string(data), part) {
			t.Errorf("no %s in %s", part, data)
		}
	}
}

// A batch that makes too large an event is halved; the rest is given out again. Seen red
// with the rest left out of the results.
func TestFitting(t *testing.T) {
	t.Parallel()
	c := New(Config{QueueARN: func(name string) string { return name }})
	r := &reader{consumer: c, trigger: teal.Trigger{Queue: &teal.QueueTrigger{Queue: "orders"}}}
	large := strings.Repeat("\x01", 400<<10) // six bytes each in JSON
	event, fits, rest := r.fitting(batchOf(large, large, large, large))
	if len(fits) != 2 || len(rest) != 2 || teal.Bytes(len(event)) > teal.MaxPayload {
		t.Errorf("%d fit into %d bytes, %d are left", len(fits), len(event), len(rest))
	}
	if !slices.Equal([]string{rest[0].Receipt, rest[1].Receipt}, []string{"r2", "r3"}) || rest[0].Outcome != queue.Untried {
		t.Errorf("%+v", rest)
	}
	if _, fits, rest := r.fitting(batchOf("a", "b")); len(fits) != 2 || len(rest) != 0 {
		t.Errorf("%d fit, %d are left", len(fits), len(rest))
	}
}
