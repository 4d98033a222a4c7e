package lambda

import (
	"bytes"
	"context"
	"io"

	"teal/internal/api/awslambda"
	"teal/internal/artifact"
)

var _ awslambda.Codes = (*Backend)(nil)

// PutCode implements [awslambda.Codes].
func (b *Backend) PutCode(ctx context.Context, zip []byte) (string, error) {
	digest, err := b.cfg.Bundles.Put(ctx, bytes.NewReader(zip), "")
	if err != nil {
		return "", err
	}
	return digest, b.cfg.Zips.Put(zip)
}

// Code implements [awslambda.Codes].
func (b *Backend) Code(ctx context.Context, sum, digest string) (io.ReadCloser, error) {
	if sum != "" {
		return b.cfg.Zips.Open(sum)
	}
	dir, err := b.cfg.Bundles.Dir(ctx, digest)
	if err != nil {
		return nil, err
	}
	tree, err := artifact.Scan(dir, artifact.Limits{})
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(tree.WriteZip(w)) }() // ends when the reader closes
	return r, nil
}

// Keep implements [awslambda.Codes].
func (b *Backend) Keep() (release func()) {
	return b.cfg.Code.Keep()
}

// Unpacked implements [awslambda.Codes].
func (b *Backend) Unpacked(ctx context.Context, digest string) (int64, error) {
	return b.cfg.Bundles.Size(ctx, digest)
}

// Stack implements [awslambda.Codes].
func (b *Backend) Stack(ctx context.Context, digests []string) error {
	_, err := b.cfg.Bundles.Stack(ctx, digests)
	return err
}
