package awslambda

// noSourceMappings lists the event source mappings: tools ask for them when they
// look at a function.
func (h *Handler) noSourceMappings(*request) (any, error) {
	return struct{ EventSourceMappings []struct{} }{[]struct{}{}}, nil
}

// noSourceMapping says so of one of them.
func (h *Handler) noSourceMapping(*request) (any, error) { return nil, noResource() }

// noCodeSigning says that a function has no code signing; Terraform asks.
func (h *Handler) noCodeSigning(q *request) (any, error) {
	t, _, err := h.unqualified(q)
	if err != nil {
		return nil, err
	}
	return struct{ FunctionName string }{t.name}, nil
}
