package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"teal"
	"teal/internal/api"
)

// collect returns all entries of a list, however many pages it has; of returns those
// of one page, and the cursor of the next one.
func collect[P, T any](ctx context.Context, c *Client, path []string, of func(P) ([]T, string)) ([]T, error) {
	all := []T{}
	for cursor := ""; ; {
		query := url.Values{"limit": {strconv.Itoa(api.MaxPage)}}
		set(query, "cursor", cursor)
		var page P
		if err := c.call(ctx, request{method: http.MethodGet, path: path, query: query}, nil, &page); err != nil {
			return nil, err
		}
		entries, next := of(page)
		all = append(all, entries...)
		switch next {
		case "":
			return all, nil
		case cursor:
			return nil, teal.Errorf(teal.CodeBadAnswer, "what answers at %s does not speak this version of Teal's API: a list of its has no end", c.base)
		}
		cursor = next
	}
}
