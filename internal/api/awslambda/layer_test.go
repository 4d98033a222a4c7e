package awslambda

import (
	"context"
	"strings"
	"testing"

	"teal"
)

// sizes is a backend that knows how large bundles are.
type sizes struct {
	Backend
	of map[string]int64
}

func (s sizes) Unpacked(_ context.Context, digest string) (int64, error) { return s.of[digest], nil }

// The code and its layers may hold 250 MB together, to the byte.
func TestCodeAndLayersAreBoundedTogether(t *testing.T) {
	t.Parallel()
	h := New(Config{Backend: sizes{of: map[string]int64{"code": 100 << 20, "a": 100 << 20, "b": 50 << 20, "one": 1}}})
	fits := teal.Function{Code: "code", Layers: []string{"a", "b"}}
	if err := h.checkUnpacked(t.Context(), fits); err != nil {
		t.Errorf("250 MB: %v", err)
	}
	fits.Layers = append(fits.Layers, "one")
	fault := asFault(h.checkUnpacked(t.Context(), fits))
	if fault == nil || fault.Code != codeInvalidParameter || !strings.Contains(fault.Message, "maximum allowed size of 262144000 bytes. The actual size is 262144001 bytes.") {
		t.Errorf("a byte more: %v", fault)
	}
}
