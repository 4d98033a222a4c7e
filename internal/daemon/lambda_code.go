package daemon

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"teal/internal/artifact"
)

// zipStore keeps zips as they were sent, by their SHA-256: what AWS's interface
// hands out has the hash that it has told.
type zipStore struct{ dir string }

var zipSumPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (z zipStore) path(sum string) string { return filepath.Join(z.dir, sum+".zip") }

func (z zipStore) put(data []byte) error {
	hash := sha256.Sum256(data)
	sum := hex.EncodeToString(hash[:])
	if _, err := os.Stat(z.path(sum)); err == nil {
		return nil
	}
	if err := os.MkdirAll(z.dir, 0o700); err != nil {
		return fmt.Errorf("keep zip: %w", err)
	}
	return writeFile(z.path(sum), string(data))
}

func (z zipStore) open(sum string) (io.ReadCloser, error) {
	if !zipSumPattern.MatchString(sum) {
		return nil, fs.ErrNotExist
	}
	return os.Open(z.path(sum))
}

// PutCode implements [awslambda.Codes].
func (b *lambda) PutCode(ctx context.Context, zip []byte) (string, error) {
	digest, err := b.bundles.Put(ctx, bytes.NewReader(zip), "")
	if err != nil {
		return "", err
	}
	return digest, b.zips.put(zip)
}

// Code implements [awslambda.Codes].
func (b *lambda) Code(ctx context.Context, sum, digest string) (io.ReadCloser, error) {
	if sum != "" {
		return b.zips.open(sum)
	}
	dir, err := b.bundles.Dir(ctx, digest)
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
