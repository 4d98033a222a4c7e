package awslambda

import (
	"context"

	"teal"
)

// withLayers returns f with the layers that a request names; nil leaves those
// that are there.
func (h *Handler) withLayers(_ context.Context, f teal.Function, arns *[]string) (teal.Function, error) {
	if arns == nil {
		return f, nil
	}
	if len(*arns) > 0 {
		return f, unavailablef("Layers: %s", onTheWay)
	}
	s := settingsOf(f)
	f.Layers, s.Layers = nil, nil
	return s.with(f), nil
}
