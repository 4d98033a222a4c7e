package daemon

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"teal/internal/artifact"
)

// zipStore keeps zips as they were sent, by their SHA-256: what AWS's interface
// hands out has the hash that it has told.
type zipStore struct{ dir string }

var zipSumPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Path returns where a zip is, or would be.
func (z zipStore) Path(sum string) string { return filepath.Join(z.dir, sum+".zip") }

func (z zipStore) put(data []byte) error {
	hash := sha256.Sum256(data)
	sum := hex.EncodeToString(hash[:])
	if _, err := os.Stat(z.Path(sum)); err == nil {
		return nil
	}
	if err := os.MkdirAll(z.dir, 0o700); err != nil {
		return fmt.Errorf("keep zip: %w", err)
	}
	return writeFile(z.Path(sum), string(data))
}

func (z zipStore) open(sum string) (io.ReadCloser, error) {
	if !zipSumPattern.MatchString(sum) {
		return nil, fs.ErrNotExist
	}
	return os.Open(z.Path(sum))
}

// List returns the hashes of the zips that there are.
func (z zipStore) List() ([]string, error) {
	found, err := filepath.Glob(filepath.Join(z.dir, "*.zip"))
	if err != nil {
		return nil, err
	}
	var sums []string
	for _, path := range found {
		if sum := strings.TrimSuffix(filepath.Base(path), ".zip"); zipSumPattern.MatchString(sum) {
			sums = append(sums, sum)
		}
	}
	return sums, nil
}

// Remove deletes a zip; one that is not there is no error.
func (z zipStore) Remove(sum string) error {
	if !zipSumPattern.MatchString(sum) {
		return nil
	}
	if err := os.Remove(z.Path(sum)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// PutCode implements [awslambda.Codes].
func (l *lambda) PutCode(ctx context.Context, zip []byte) (string, error) {
	digest, err := l.bundles.Put(ctx, bytes.NewReader(zip), "")
	if err != nil {
		return "", err
	}
	return digest, l.zips.put(zip)
}

// Code implements [awslambda.Codes].
func (l *lambda) Code(ctx context.Context, sum, digest string) (io.ReadCloser, error) {
	if sum != "" {
		return l.zips.open(sum)
	}
	dir, err := l.bundles.Dir(ctx, digest)
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
