package daemon

import (
	"context"
	"io"

	"teal"
)

// Order implements [api.Releaser].
func (c *control) Order(context.Context, string, teal.Order) (teal.Release, error) {
	return teal.Release{}, teal.Errorf(teal.CodeUnsupported, "releases take no orders yet")
}

// AnswerHook implements [api.Releaser].
func (c *control) AnswerHook(context.Context, string, string, teal.Verdict, string) error {
	return teal.Errorf(teal.CodeUnsupported, "releases run no hooks yet")
}

// Intervals implements [api.Catalog].
func (c *control) Intervals(context.Context, string) (io.ReadCloser, error) {
	return nil, teal.Errorf(teal.CodeUnsupported, "releases keep no measurements yet")
}
