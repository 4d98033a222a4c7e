package awslambda

import (
	"context"
	"strings"

	"teal"
)

// chosenLayers is what a request wants a function to have; nil is what it has.
type chosenLayers struct {
	digests []string
	items   []LayerItem
}

// chooseLayers finds the layers that a request names, and makes sure that they can
// be laid over each other.
func (h *Handler) chooseLayers(ctx context.Context, arns *[]string) (*chosenLayers, error) {
	if arns == nil {
		return nil, nil
	}
	if len(*arns) > maxLayers {
		return nil, invalidf("Cannot reference more than %d layers.", maxLayers)
	}
	chosen := &chosenLayers{}
	seen := map[string]int{}
	for _, arn := range *arns {
		name, number, err := h.cfg.Place.parseLayerVersion(arn, "layers")
		if f := asFault(err); f != nil && f.Code == codeValidation {
			return nil, invalid("["+strings.Join(*arns, ", ")+"]", "layers", "Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must have length greater than or equal to 1, "+layerVersionConstraint+", Member must not be null]")
		}
		if err != nil {
			return nil, err
		}
		if other, ok := seen[name]; ok {
			return nil, invalidf("Two different versions of the same layer are not allowed to be referenced in the same function. %s and %s are versions of the same layer.", h.cfg.Place.layerVersionARN(name, other), h.cfg.Place.layerVersionARN(name, number))
		}
		seen[name] = number
		layer, err := h.cfg.Backend.Layer(ctx, name, number)
		if teal.IsCode(err, teal.CodeNotFound) {
			return nil, invalidf("Layer version %s does not exist.", arn)
		}
		if err != nil {
			return nil, err
		}
		chosen.digests = append(chosen.digests, layer.Code)
		chosen.items = append(chosen.items, LayerItem{Arn: h.cfg.Place.layerVersionARN(name, number), CodeSize: layer.CodeSize})
	}
	err := h.cfg.Backend.Stack(ctx, chosen.digests)
	if teal.IsCode(err, teal.CodeInvalidBundle) {
		return nil, invalidf("The layers cannot be laid over each other: %s", teal.MessageOf(err))
	}
	return chosen, err
}

// into returns f with these layers.
func (c *chosenLayers) into(f teal.Function) teal.Function {
	if c == nil {
		return f
	}
	s := settingsOf(f)
	f.Layers, s.Layers = c.digests, c.items
	return s.with(f)
}

// checkUnpacked refuses code that is too large together with its layers.
func (h *Handler) checkUnpacked(ctx context.Context, f teal.Function) error {
	if len(f.Layers) == 0 {
		return nil // the code alone has been looked at
	}
	var size int64
	for _, digest := range append([]string{f.Code}, f.Layers...) {
		n, err := h.cfg.Backend.Unpacked(ctx, digest)
		if err != nil {
			return err
		}
		size += n
	}
	if size > unzippedLimit {
		return invalidf("Function code combined with layers exceeds the maximum allowed size of %d bytes. The actual size is %d bytes.", unzippedLimit, size)
	}
	return nil
}
