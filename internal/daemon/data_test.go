package daemon

import (
	"os"
	"path/filepath"
	"testing"
)

// Seen red without filepath.Abs: no function started, because its bootstrap was
// looked for below the function's own folder.
func TestOpenDataOfARelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	data, err := openData("data")
	if err != nil {
		t.Fatal(err)
	}
	if err := data.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := data.join(workDir), filepath.Join(here, "data", "work"); got != want {
		t.Errorf("work is in %s, want %s", got, want)
	}
}
