package cluster

import (
	"encoding/json"

	"teal/internal/store"
)

// heartbeat says that a node lives.
type heartbeat struct {
	Node        string `json:"node"`
	Incarnation string `json:"incarnation"` // another one after every start
	Beat        int    `json:"beat"`
}

// applied says what a gateway follows.
type applied struct {
	Node        string            `json:"node"`
	Incarnation string            `json:"incarnation"`
	Revisions   map[string]uint64 `json:"revisions"` // by alias; "": of the app's own record
}

// follows reports whether no request that the gateway takes follows an older state of an
// alias than the revision. Of an alias that is gone, it is the revision that it had.
func (a applied) follows(alias string, revision uint64, gone bool) bool {
	if has, ok := a.Revisions[alias]; ok {
		return has > revision || has == revision && !gone
	}
	return gone
}

func heartbeatKey(node string) string    { return "heartbeat." + node }
func appliedKey(node, app string) string { return "applied." + node + "." + app }

// decode reads a record; one that cannot be understood says nothing.
func decode[T any](e store.Entry) (T, error) { //nolint:unparam // a mirror asks for the error
	var value, nothing T
	if err := json.Unmarshal(e.Value, &value); err != nil {
		return nothing, nil //nolint:nilerr // as said above
	}
	return value, nil
}
