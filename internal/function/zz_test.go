package function

import (
	"slices"
	"teal"
	"testing"
	"time"
)

func TestZZ(t *testing.T) {
	r := start(t, golang)
	for range 50 {
		r.ok("{}")
	}
	var whole, handler []time.Duration
	for range 8000 {
		b := time.Now()
		a, err := r.Invoke(t.Context(), teal.Invocation{Event: []byte("{}")})
		w := time.Since(b)
		if err != nil {
			t.Fatal(err)
		}
		whole = append(whole, w)
		handler = append(handler, a.Duration)
	}
	slices.Sort(whole)
	slices.Sort(handler)
	for _, p := range []int{5, 25, 50, 90} {
		t.Logf("p%d whole %v handler %v", p, whole[len(whole)*p/100], handler[len(whole)*p/100])
	}
}
