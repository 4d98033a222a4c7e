package artifact

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teal"
)

func put(t *testing.T, s *Store, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := Scan(dir, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var zip bytes.Buffer
	if err := tree.WriteZip(&zip); err != nil {
		t.Fatal(err)
	}
	digest, err := s.Put(t.Context(), &zip, tree.Digest)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// A bundle that was changed where it lies is not used again, and is there again
// once it has been put. Seen red with Has not looking at Store.changed (the put
// changed nothing), and with Verified returning the folder whatever the digest.
func TestAChangedBundleIsPutAgain(t *testing.T) {
	t.Parallel()
	s, err := Open(t.TempDir(), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"app.py": "right", "lib/.git/x": "left out", "lib/y.py": ""}
	digest := put(t, s, files)
	dir, err := s.Verified(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	may := func(folder string) {
		if err := os.Chmod(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	change := map[string]func() error{
		"content": func() error {
			return os.WriteFile(filepath.Join(dir, "app.py"), []byte("wrong"), 0o600)
		},
		"mode":   func() error { return os.Chmod(filepath.Join(dir, "app.py"), 0o700) },
		"gone":   func() error { return os.Remove(filepath.Join(dir, "app.py")) },
		"more":   func() error { return os.WriteFile(filepath.Join(dir, "more.py"), nil, 0o600) },
		"link":   func() error { return os.Symlink("/etc/passwd", filepath.Join(dir, "link")) },
		"folder": func() error { return os.Mkdir(filepath.Join(dir, "folder"), 0o700) },
	}
	for name, f := range change {
		may(dir)
		may(filepath.Join(dir, "app.py"))
		if err := f(); err != nil {
			t.Fatal(err)
		}
		_, err := s.Verified(t.Context(), digest)
		if !teal.IsCode(err, teal.CodeUnknownBundle) || !strings.Contains(err.Error(), "deploy the same folder again") {
			t.Errorf("%s: %v", name, err)
		}
		if s.Has(digest) {
			t.Errorf("%s: the store has it still", name)
		}
		put(t, s, files)
		if _, err := s.Verified(t.Context(), digest); err != nil {
			t.Errorf("%s, put again: %v", name, err)
		}
	}
	var packed bytes.Buffer // a zip keeps what a folder leaves behind
	zw := zip.NewWriter(&packed)
	for _, name := range []string{IgnoreFile, ".env", "app.py"} {
		if _, err := zw.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	zipped, err := s.Put(t.Context(), &packed, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verified(t.Context(), zipped); err != nil {
		t.Errorf("a zip: %v", err)
	}
	may(filepath.Join(dir, "lib"))
	if err := os.MkdirAll(filepath.Join(dir, "lib/__pycache__/y.pyc"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verified(t.Context(), digest); err != nil {
		t.Errorf("what Python has compiled: %v", err)
	}
}

// Seen red without the call of piled.
func TestAChangedStackIsMadeAnew(t *testing.T) {
	t.Parallel()
	s, err := Open(t.TempDir(), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	digests := []string{put(t, s, map[string]string{"a": "a"}), put(t, s, map[string]string{"b": "b"})}
	dir, err := s.VerifiedStack(t.Context(), digests)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	if dir, err = s.VerifiedStack(t.Context(), digests); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != name {
			t.Errorf("%s is %q, %v", name, text, err)
		}
	}
}
