package awslambda

import (
	"encoding/base64"
	"encoding/json"
	"sort"
	"strconv"
)

// pageSize is how many items a list returns at most, whatever was asked for.
const pageSize = 50

// marker says where a list goes on. It belongs to one list.
type marker struct {
	List  string
	After string
}

// page returns the part of a list that a request asks for, and the marker of the
// next part, "" for none. The list is sorted by key; list is its name, which the
// markers of other lists do not have.
func page[T any](q *request, list string, items []T, key func(T) string) ([]T, string, error) {
	size, err := pageLimit(q)
	if err != nil {
		return nil, "", err
	}
	start := 0
	if text := q.query.Get("Marker"); text != "" {
		after, err := readMarker(text, list)
		if err != nil {
			return nil, "", err
		}
		start = sort.Search(len(items), func(n int) bool { return key(items[n]) > after })
	}
	items = items[start:]
	if len(items) <= size {
		return items, "", nil
	}
	items = items[:size]
	data, err := json.Marshal(marker{list, key(items[size-1])})
	return items, base64.URLEncoding.EncodeToString(data), err
}

func pageLimit(q *request) (int, error) {
	text := q.query.Get("MaxItems")
	if text == "" {
		return pageSize, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, faultf(codeSerialization, "STRING_VALUE can not be converted to an Integer")
	case n < 1:
		return 0, invalid(n, "maxItems", "Member must have value greater than or equal to 1")
	case n > 10000:
		return 0, invalid(n, "maxItems", "Member must have value less than or equal to 10000")
	}
	return min(n, pageSize), nil
}

func readMarker(text, list string) (string, error) {
	var m marker
	data, err := base64.URLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(data, &m) != nil || m.List != list {
		return "", invalidf("Invalid value for 'Marker': it does not belong to this list.")
	}
	return m.After, nil
}

// numberKey makes the order of numbers that of their keys.
func numberKey(n int) string {
	const width = 12
	text := strconv.Itoa(n)
	for len(text) < width {
		text = "0" + text
	}
	return text
}
