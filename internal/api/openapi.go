package api

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"teal"
	"teal/internal/access"
)

// newHuma returns huma on mux without the pages that huma would add itself: its
// OpenAPI handler is not safe for concurrent first requests, its documentation
// page loads scripts from the network, and its $schema links are noise.
func newHuma(mux *http.ServeMux, version string) huma.API {
	cfg := huma.DefaultConfig("Teal", version)
	cfg.Info.Description = "Blue-green releases of functions and HTTP services. Every path under /v1 needs a bearer token: one that an admin has made, or the server's own, which it writes to DATA/admin.token. What the token's role does not permit is a 403."
	cfg.OpenAPIPath, cfg.DocsPath, cfg.SchemasPath = "", "", ""
	cfg.CreateHooks = nil
	cfg.RejectUnknownQueryParameters = true
	cfg.Transformers = []huma.Transformer{asProblem}
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	cfg.Security = []map[string][]string{{"token": {}}}

	schemas := cfg.Components.Schemas
	// A weight is an integer in Go and a number in percent in JSON.
	schemas.RegisterTypeAlias(reflect.TypeFor[teal.Weight](), reflect.TypeFor[percent]())
	schemas.RegisterTypeAlias(reflect.TypeFor[teal.LatencyCount](), reflect.TypeFor[latencyCount]())
	schemas.RegisterTypeAlias(reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[Problem]())
	api := humago.New(mux, cfg)
	api.UseMiddleware(problemStatus)
	return api
}

// percent stands for teal.Weight in schemas.
type percent struct{}

// Schema implements huma.SchemaProvider.
func (percent) Schema(huma.Registry) *huma.Schema {
	low, high := 0.0, 100.0
	return &huma.Schema{Type: huma.TypeNumber, Minimum: &low, Maximum: &high, Description: "Share of the traffic in percent, with at most two decimals."}
}

// latencyCount stands for teal.LatencyCount in schemas.
type latencyCount struct{}

// Schema implements huma.SchemaProvider.
func (latencyCount) Schema(huma.Registry) *huma.Schema {
	two := 2
	return &huma.Schema{
		Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeNumber}, MinItems: &two, MaxItems: &two,
		Description: "Milliseconds, and how many requests took at most so long and more than the pair before says.",
	}
}

func describe(api huma.API) []byte {
	document, err := json.Marshal(api.OpenAPI())
	if err != nil {
		panic("api: the OpenAPI document cannot be encoded: " + err.Error())
	}
	return document
}

// validator is an input that has more to check than its schema says.
type validator interface{ validate() error }

// register adds one operation. Errors of the handler are translated here.
func register[I, O any](s *Server, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	if op.MaxBodyBytes == 0 {
		op.MaxBodyBytes = maxJSON
	}
	if guard := s.guard(op); guard != nil {
		op.Middlewares = append(op.Middlewares, guard)
	}
	// patientBody sets the deadlines.
	op.BodyReadTimeout = -1
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	op.Responses["default"] = &huma.Response{
		Description: "What went wrong",
		Content: map[string]*huma.MediaType{ProblemType: {
			Schema: s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem"),
		}},
	}
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		if v, ok := any(in).(validator); ok {
			if err := v.validate(); err != nil {
				return nil, refused(ctx, problemOf(err))
			}
		}
		out, err := handle(ctx, in)
		if err != nil {
			return nil, refused(ctx, s.fail(ctx, op.OperationID, err))
		}
		return out, nil
	})
}

// refused notes in the audit why an order was refused.
func refused(ctx context.Context, problem *Problem) *Problem {
	access.OrderOf(ctx).Failed(problem.Code, problem.Detail)
	return problem
}

// fail translates an error and logs it when its cause stays hidden from the
// client.
func (s *Server) fail(ctx context.Context, operation string, err error) *Problem {
	problem := problemOf(err)
	if problem.Status == http.StatusInternalServerError && ctx.Err() == nil {
		s.cfg.Logger.Error("admin API: operation failed", "operation", operation, "error", err)
	}
	return problem
}
