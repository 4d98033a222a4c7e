package manifest

import "strconv"

// kind is the sort of a YAML value.
type kind int

const (
	kindBroken kind = iota // an error has been reported instead
	kindNull
	kindBool
	kindInt
	kindFloat
	kindText
	kindMapping
	kindList
)

// String names the kind as error messages do.
func (k kind) String() string {
	return [...]string{"broken", "empty", "true or false", "a whole number", "a number", "text", "a mapping", "a list"}[k]
}

// node is a YAML value with its position. Aliases and merge keys have been
// followed; a node that was aliased is shared.
type node struct {
	at    position
	kind  kind
	text  string // of a scalar: as written, without quotes
	pairs []pair // of a mapping: keys are unique
	items []*node
	size  int // values in it, itself and repetitions by alias included
}

type pair struct {
	key   string
	at    position
	value *node
}

func (n *node) scalar() bool { return n.kind < kindMapping }

// child returns the value under a key or an index and the place that names it,
// or nil.
func (n *node) child(key string) (*node, position) {
	if n.kind == kindList {
		i, err := strconv.Atoi(key)
		if err != nil || i < 0 || i >= len(n.items) {
			return nil, position{}
		}
		return n.items[i], n.items[i].at
	}
	for _, p := range n.pairs {
		if p.key == key {
			return p.value, p.at
		}
	}
	return nil, position{}
}

// has reports whether there is a value at path.
func (n *node) has(path ...string) bool {
	for _, key := range path {
		if n == nil {
			return false
		}
		n, _ = n.child(key)
	}
	return n != nil
}

// locate returns the best place for an error about path: the value when it is a
// scalar, else its key; of a path that does not exist, the last key that does.
func (n *node) locate(path []string) position {
	at := n.at
	for i, key := range path {
		next, keyAt := n.child(key)
		if next == nil {
			return at
		}
		n, at = next, keyAt
		if i == len(path)-1 && n.scalar() && n.kind != kindNull {
			at = n.at
		}
	}
	return at
}
