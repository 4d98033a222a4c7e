package doctor_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teal/internal/doctor"
)

// Seen red with MendFolder setting a link to a folder aside, and with nothing set
// aside.
func TestMendFolder(t *testing.T) {
	t.Parallel()
	elsewhere := t.TempDir()
	for name, c := range map[string]struct {
		make  func(path string) error
		aside bool // what is there gets another name, and an alert says so
	}{
		"missing":          {func(string) error { return nil }, false},
		"folder":           {func(path string) error { return os.Mkdir(path, 0o700) }, false},
		"locked folder":    {func(path string) error { return os.Mkdir(path, 0) }, false},
		"link to a folder": {func(path string) error { return os.Symlink(elsewhere, path) }, false},
		"link to itself":   {func(path string) error { return os.Symlink(filepath.Base(path), path) }, true},
		"link to nothing":  {func(path string) error { return os.Symlink("nowhere", path) }, true},
		"file":             {func(path string) error { return os.WriteFile(path, []byte("in the way"), 0o600) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			alerts := doctor.New(slog.New(slog.DiscardHandler), nil)
			path := filepath.Join(t.TempDir(), "state")
			if err := c.make(path); err != nil {
				t.Fatal(err)
			}
			if err := doctor.MendFolder(alerts, path); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(path, "app"), 0o700); err != nil {
				t.Errorf("the folder cannot be used: %v", err)
			}
			kept, err := filepath.Glob(path + ".damaged-*")
			if list := alerts.List(); err != nil || (len(kept) == 1) != c.aside || (len(list) == 1) != c.aside {
				t.Fatalf("set aside: %v; alerts: %+v", kept, list)
			} else if c.aside && (list[0].Subject != path || !strings.Contains(list[0].Message, kept[0])) {
				t.Errorf("%+v does not say what became of %s", list[0], path)
			}
		})
	}
}
