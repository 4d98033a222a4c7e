package awslambda

import (
	"net/url"
	"strings"
)

// operation is one operation of the service model.
type operation struct {
	name      string
	method    string
	path      string
	status    int
	bodyLimit int64 // 0: maxBody
	run       func(*Handler, *request) (any, error)
	refused   string // why it is not available; then there is no run

	segments   []string
	key, value string // a query parameter that tells it from another at the same path; "" for none
}

// find returns the operation that a method and a path, as sent, name, and what
// stands in the path's places. nil for none.
func find(method, escaped string, query url.Values) (*operation, map[string]string) {
	segments := strings.Split(strings.Trim(escaped, "/"), "/")
	for i := range operations {
		op := &operations[i]
		if op.method != method || op.key != "" && query.Get(op.key) != op.value {
			continue
		}
		if params, ok := op.match(segments); ok {
			return op, params
		}
	}
	return nil, nil
}

func (op *operation) match(segments []string) (map[string]string, bool) {
	if len(segments) != len(op.segments) {
		return nil, false
	}
	for i, want := range op.segments {
		if !strings.HasPrefix(want, "{") && want != segments[i] {
			return nil, false
		}
	}
	params := map[string]string{}
	for i, want := range op.segments {
		name, isPlace := strings.CutPrefix(want, "{")
		if !isPlace {
			continue
		}
		value, err := url.PathUnescape(segments[i])
		if err != nil || value == "" {
			return nil, false
		}
		params[strings.TrimSuffix(name, "}")] = value
	}
	return params, true
}

func init() {
	for i := range operations {
		path, query, _ := strings.Cut(operations[i].path, "?")
		operations[i].key, operations[i].value, _ = strings.Cut(query, "=")
		operations[i].segments = strings.Split(strings.Trim(path, "/"), "/")
	}
}
