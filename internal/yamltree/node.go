package yamltree

import "strconv"

// Kind is the sort of a YAML value.
type Kind int

// The kinds of values. A Broken one stands for nothing: a problem has been reported in
// its place.
const (
	Broken Kind = iota
	Null
	Bool
	Int
	Float
	Text
	Mapping
	List
)

// String names the kind as error messages do.
func (k Kind) String() string {
	return [...]string{"broken", "empty", "true or false", "a whole number", "a number", "text", "a mapping", "a list"}[k]
}

// Position is a place in a file, from 1; the column counts characters.
type Position struct{ Line, Column int }

// Node is a YAML value with its position. Aliases and merge keys have been
// followed; a node that was aliased is shared and must not be changed.
type Node struct {
	At    Position
	Kind  Kind
	Text  string // of a scalar: as written, without quotes
	Tag   string // such as !Ref, with Options.Tags; "" for none
	Pairs []Pair // of a mapping: keys are unique
	Items []*Node
	size  int // values in it, itself and repetitions by alias included
}

// Pair is a key of a mapping and its value.
type Pair struct {
	Key   string
	At    Position // of the key
	Value *Node
}

// Scalar reports whether the node has no nodes below it.
func (n *Node) Scalar() bool { return n.Kind < Mapping }

// Child returns the value under a key or an index and the place that names it,
// or nil.
func (n *Node) Child(key string) (*Node, Position) {
	if n.Kind == List {
		i, err := strconv.Atoi(key)
		if err != nil || i < 0 || i >= len(n.Items) {
			return nil, Position{}
		}
		return n.Items[i], n.Items[i].At
	}
	for _, p := range n.Pairs {
		if p.Key == key {
			return p.Value, p.At
		}
	}
	return nil, Position{}
}

// Has reports whether there is a value at path.
func (n *Node) Has(path ...string) bool {
	for _, key := range path {
		if n == nil {
			return false
		}
		n, _ = n.Child(key)
	}
	return n != nil
}

// Locate returns the best place for an error about path: the value when it is a
// scalar, else its key; of a path that does not exist, the last key that does.
func (n *Node) Locate(path []string) Position {
	at := n.At
	for i, key := range path {
		next, keyAt := n.Child(key)
		if next == nil {
			return at
		}
		n, at = next, keyAt
		if i == len(path)-1 && n.Scalar() && n.Kind != Null {
			at = n.At
		}
	}
	return at
}
