package artifact

import (
	"archive/zip"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"teal"
	"teal/internal/removal"
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

// Seen red without the call of isAt (all), with one that looks at files alone (gone,
// link, relinked, a folder for a file) and with one that looks into __pycache__.
func TestAChangedStackIsMadeAnew(t *testing.T) {
	t.Parallel()
	s, err := Open(t.TempDir(), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	digests := []string{
		putFiles(t, s, map[string]string{"a": "a", "l@": "a", "lib/__pycache__/c": "c"}),
		putFiles(t, s, map[string]string{"b": "b", "lib/d": "d", "empty/": ""}),
	}
	dir, err := s.VerifiedStack(t.Context(), digests)
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, c := range []struct {
		name   string
		change func() error
		kept   bool
	}{
		{"moved", func() error {
			return errors.Join(os.Rename(at("a"), at("b")), os.WriteFile(at("a"), []byte("wrong"), 0o600))
		}, false},
		{"gone", func() error { return os.Remove(at("a")) }, false},
		{"more", func() error { return os.WriteFile(at("more"), nil, 0o600) }, false},
		{"link", func() error { return os.Symlink("/etc/passwd", at("link")) }, false},
		{"relinked", func() error { return errors.Join(os.Remove(at("l")), os.Symlink("b", at("l"))) }, false},
		{"a folder for a file", func() error { return errors.Join(os.Remove(at("a")), os.Mkdir(at("a"), 0o700)) }, false},
		{"a file for a folder", func() error { return errors.Join(os.Remove(at("empty")), os.WriteFile(at("empty"), nil, 0o600)) }, false},
		{"the stack is gone", func() error { return removal.Tree(dir) }, false},
		{"what Python has compiled", func() error { return os.MkdirAll(at("empty/__pycache__/y.pyc"), 0o700) }, true},
		{"and where some came along", func() error { return os.WriteFile(at("lib/__pycache__/d.pyc"), nil, 0o600) }, true},
	} {
		before := hold(t, dir)
		for _, folder := range []string{"", "empty", "lib", "lib/__pycache__"} {
			if err := os.Chmod(at(folder), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		if dir, err = s.VerifiedStack(t.Context(), digests); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if kept := os.SameFile(before, hold(t, dir)); kept != c.kept {
			t.Errorf("%s: kept is %v", c.name, kept)
		}
		for _, name := range []string{"a", "b", "l", "lib/d"} {
			want := strings.Replace(filepath.Base(name), "l", "a", 1)
			if text, err := os.ReadFile(at(name)); err != nil || string(text) != want {
				t.Errorf("%s: %s is %q, %v", c.name, name, text, err)
			}
		}
	}
	wantNoTemp(t, s)
}

// hold says which folder lies at path; for as long as the test runs no other one can
// be taken for it.
func hold(t *testing.T, path string) os.FileInfo {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// Of those who find a stack changed at the same time, one makes it anew and all get
// what is there in the end. Seen red without the lock: one removed what another had
// been given.
func TestConcurrentVerifiedStacks(t *testing.T) {
	t.Parallel()
	s := openStore(t, Limits{})
	digests := []string{putFiles(t, s, map[string]string{"a": "1", "c/d": "1"}), putFiles(t, s, map[string]string{"b": "2"})}
	dir, err := s.VerifiedStack(t.Context(), digests)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if err := errors.Join(os.Chmod(dir, 0o700), os.Remove(filepath.Join(dir, "a"))); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var given [8]*os.File
		begin := make(chan struct{})
		for i := range given {
			wg.Go(func() {
				<-begin
				dir, err := s.VerifiedStack(t.Context(), digests)
				if err == nil {
					given[i], err = os.Open(dir) // and no other folder can be taken for it
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		close(begin)
		wg.Wait()
		now := hold(t, dir)
		for _, f := range given {
			info, err := f.Stat()
			if err != nil || !os.SameFile(info, now) {
				t.Fatalf("what one was given is not there any more: %v", err)
			}
			_ = f.Close()
		}
	}
	wantNoTemp(t, s)
}

// What has been changed can be removed like everything else, and is the same again
// when it is put again. Seen red with Detach asking Has: nothing was removed.
func TestAChangedBundleCanBeRemoved(t *testing.T) {
	t.Parallel()
	s := openStore(t, Limits{})
	files := map[string]string{"a": "a"}
	digest := putFiles(t, s, files)
	dir, err := s.Verified(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(dir, 0o700), os.Remove(filepath.Join(dir, "a"))); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verified(t.Context(), digest); !teal.IsCode(err, teal.CodeUnknownBundle) {
		t.Errorf("changed: %v", err)
	}
	if err := s.Remove(digest); err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(); err != nil || len(list) != 0 {
		t.Errorf("left: %v %v", list, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder: %v", err)
	}
	if again := putFiles(t, s, files); again != digest || !s.Has(digest) {
		t.Errorf("put again: %s", again)
	}
	if err := s.Remove("../elsewhere"); err != nil {
		t.Error(err)
	}
	wantNoTemp(t, s)
}
