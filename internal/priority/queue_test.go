package priority_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"teal/internal/priority"
)

// The item with the least rank comes first, whatever is added and taken meanwhile.
func TestTheLeastComesFirst(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOf(rapid.Int()).Draw(t, "numbers")
		q := priority.New(func(a, b int) bool { return a < b })
		for _, n := range numbers {
			q.Push(n)
		}
		var got []int
		for q.Len() > 0 {
			first := q.First()
			got = append(got, q.Pop())
			if got[len(got)-1] != first {
				t.Fatalf("First said %d, Pop took %d", first, got[len(got)-1])
			}
		}
		slices.Sort(numbers)
		if !slices.Equal(got, numbers) {
			t.Fatalf("%v, not %v", got, numbers)
		}
	})
}
