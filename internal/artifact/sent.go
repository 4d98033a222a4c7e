package artifact

import (
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

	"teal/internal/atomicfile"
)

// Zips keeps zips as they were sent, by their SHA-256 in hexadecimal: AWS's
// interface hands out the very bytes whose hash it has told, and a bundle that is
// packed again has another one. It is safe for concurrent use.
type Zips struct{ dir string }

// ZipsIn returns the zips in a folder, which is made when the first one is put.
func ZipsIn(dir string) Zips { return Zips{dir: dir} }

var zipSumPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Path returns where a zip is, or would be.
func (z Zips) Path(sum string) string { return filepath.Join(z.dir, sum+".zip") }

// Put keeps a zip. When it returns without an error, the zip is on the disk.
func (z Zips) Put(data []byte) error {
	hash := sha256.Sum256(data)
	sum := hex.EncodeToString(hash[:])
	if _, err := os.Stat(z.Path(sum)); err == nil {
		return nil
	}
	if err := os.MkdirAll(z.dir, 0o700); err != nil {
		return fmt.Errorf("keep zip: %w", err)
	}
	return atomicfile.Write(z.Path(sum), data)
}

// Open returns a zip; fs.ErrNotExist when there is none. The caller closes it.
func (z Zips) Open(sum string) (io.ReadCloser, error) {
	if !zipSumPattern.MatchString(sum) {
		return nil, fs.ErrNotExist
	}
	return os.Open(z.Path(sum))
}

// List returns the hashes of the zips that there are.
func (z Zips) List() ([]string, error) {
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
func (z Zips) Remove(sum string) error {
	if !zipSumPattern.MatchString(sum) {
		return nil
	}
	if err := os.Remove(z.Path(sum)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
