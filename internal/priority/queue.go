// Package priority has queues whose first item is the least.
package priority

import "container/heap"

// Queue is a queue whose first item is the least. It is not safe for concurrent use.
type Queue[T any] struct{ items ordered[T] }

// New returns an empty queue with an order.
func New[T any](less func(a, b T) bool) *Queue[T] {
	return &Queue[T]{ordered[T]{less: less}}
}

// Len returns how many items there are.
func (q *Queue[T]) Len() int { return len(q.items.list) }

// First returns the least item; the queue must have one.
func (q *Queue[T]) First() T { return q.items.list[0] }

// Push adds an item.
func (q *Queue[T]) Push(item T) { heap.Push(&q.items, item) }

// Pop takes the least item; the queue must have one.
func (q *Queue[T]) Pop() T { return heap.Pop(&q.items).(T) }

// Reorder puts items in their places whose order has changed.
func (q *Queue[T]) Reorder() { heap.Init(&q.items) }

// ordered is what package heap works on.
type ordered[T any] struct {
	list []T
	less func(a, b T) bool
}

func (o *ordered[T]) Len() int           { return len(o.list) }
func (o *ordered[T]) Less(i, j int) bool { return o.less(o.list[i], o.list[j]) }
func (o *ordered[T]) Swap(i, j int)      { o.list[i], o.list[j] = o.list[j], o.list[i] }
func (o *ordered[T]) Push(x any)         { o.list = append(o.list, x.(T)) }

func (o *ordered[T]) Pop() any {
	last := len(o.list) - 1
	item := o.list[last]
	var zero T
	o.list[last], o.list = zero, o.list[:last]
	return item
}
