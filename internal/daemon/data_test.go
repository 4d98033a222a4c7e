package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teal/internal/datadir"
)

// What a server makes in its data directory is nobody else's, whatever the umask
// lets through. Seen red with 0755 for the store of bundles.
func TestNothingInTheDataDirectoryIsForOthers(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	create(t, h.awsClient(), "f", python(t, "return 1"), nil)
	invoke(t, h.awsClient(), "f", "", "{}")
	h.stop()
	seen := 0
	err := filepath.WalkDir(h.data, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.Type()&os.ModeSymlink != 0 {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		seen++
		if top, _, _ := strings.Cut(strings.TrimPrefix(path, h.data+"/"), "/"); info.Mode()&0o077 != 0 && top != datadir.Store {
			t.Errorf("%s is %v", path, info.Mode())
		}
		return nil
	})
	if err != nil || seen < 10 {
		t.Errorf("saw %d files: %v", seen, err)
	}
}
