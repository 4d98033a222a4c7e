package api

import (
	"context"
	"io"
	"net/http"
	"regexp"

	"github.com/danielgtaylor/huma/v2"

	"teal"
)

var digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// InBundle is the part of an input that names a bundle.
type InBundle struct {
	Digest string `path:"digest" doc:"sha256: and 64 hexadecimal digits"`
}

func (in InBundle) validate() error {
	if !digestPattern.MatchString(in.Digest) {
		return teal.Errorf(teal.CodeInvalidInput, "%q is not the digest of a bundle; expected sha256: and 64 hexadecimal digits", in.Digest)
	}
	return nil
}

type putBundleInput struct {
	InBundle
	Upload
}

// Upload is the part of an input that is read by the handler as it arrives;
// huma would keep all of it in memory.
type Upload struct{ content io.Reader }

// Resolve implements huma.Resolver.
func (u *Upload) Resolve(ctx huma.Context) []error {
	u.content = ctx.BodyReader()
	return nil
}

// StoredBundle is the answer of PUT /v1/bundles/{digest}.
type StoredBundle struct {
	Digest string `json:"digest"`
}

func (s *Server) registerBundles() {
	register(s, huma.Operation{
		OperationID: "has-bundle", Method: http.MethodHead, Path: "/v1/bundles/{digest}",
		Summary: "Whether a bundle is stored: 200 or 404", Tags: []string{"bundles"},
	}, func(_ context.Context, in *InBundle) (*struct{}, error) {
		if !s.cfg.Bundles.Has(in.Digest) {
			return nil, teal.Errorf(teal.CodeUnknownBundle, "there is no bundle %s", in.Digest)
		}
		return nil, nil
	})
	register(s, huma.Operation{
		OperationID: "put-bundle", Method: http.MethodPut, Path: "/v1/bundles/{digest}", DefaultStatus: http.StatusCreated,
		Summary: "Store a zip archive of code under its digest", Tags: []string{"bundles"},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/zip": {}}},
	}, s.putBundle)
}

func (s *Server) putBundle(ctx context.Context, in *putBundleInput) (*body[StoredBundle], error) {
	digest, err := s.cfg.Bundles.Put(ctx, limit(in.content, s.cfg.MaxBundle), in.Digest)
	return &body[StoredBundle]{StoredBundle{Digest: digest}}, err
}

// limit returns a reader that fails with *http.MaxBytesError after max bytes.
func limit(r io.Reader, max teal.Bytes) io.Reader {
	return http.MaxBytesReader(nil, io.NopCloser(r), int64(max))
}
