package awslambda

import "context"

// AccountSettings is the shape GetAccountSettingsResponse.
type AccountSettings struct {
	AccountLimit AccountLimit
	AccountUsage AccountUsage
}

// AccountLimit is the shape of that name.
type AccountLimit struct {
	TotalCodeSize                  int64
	CodeSizeUnzipped               int64
	CodeSizeZipped                 int64
	ConcurrentExecutions           int
	UnreservedConcurrentExecutions int
}

// AccountUsage is the shape of that name.
type AccountUsage struct {
	TotalCodeSize int64
	FunctionCount int
}

func (h *Handler) accountSettings(q *request) (any, error) {
	names, err := h.cfg.Backend.Names(q.ctx)
	if err != nil {
		return nil, err
	}
	reserved, err := h.reservedByOthers(q, Ref{})
	if err != nil {
		return nil, err
	}
	usage := AccountUsage{FunctionCount: len(names)}
	if usage.TotalCodeSize, err = h.codeSize(q.ctx); err != nil {
		return nil, err
	}
	return AccountSettings{
		AccountLimit: AccountLimit{
			TotalCodeSize: 80530636800, CodeSizeUnzipped: unzippedLimit, CodeSizeZipped: maxZip,
			ConcurrentExecutions: accountConcurrency, UnreservedConcurrentExecutions: accountConcurrency - reserved,
		},
		AccountUsage: usage,
	}, nil
}

// codeSize returns what all code counts for the account: that of every version of a
// function and of a layer, and of every draft, for itself.
func (h *Handler) codeSize(ctx context.Context) (int64, error) {
	items, err := h.cfg.Backend.List(ctx, true)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, item := range items {
		if c, ok := h.cfg.Backend.Listed(item); ok {
			sum += settingsOf(c.Function).CodeSize
		}
	}
	layers, err := h.cfg.Backend.Layers(ctx, "")
	for _, l := range layers {
		sum += l.CodeSize
	}
	return sum, err
}
