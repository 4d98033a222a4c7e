package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// built holds the programs that TestMain has compiled.
var built struct {
	dir string // of everything below
	// teal is the server and command line, with the race detector on and the
	// step boundaries of releases armed (see TEAL_CRASH_AT).
	teal string
	cli  string // the same program as users have it, for commands
	web  string // the service of the test apps
	fn   string // the function of the test apps, an aws-lambda-go bootstrap
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "teal-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built.dir = dir
	built.teal, built.cli = filepath.Join(dir, "teal-race"), filepath.Join(dir, "teal")
	built.web, built.fn = filepath.Join(dir, "web"), filepath.Join(dir, "bootstrap")
	for _, args := range [][]string{
		{"-race", "-tags", "faults", "-o", built.teal, "teal/cmd/teal"},
		{"-o", built.cli, "teal/cmd/teal"},
		{"-tags", "lambda.norpc", "-o", built.fn, "teal/test/e2e/testdata/fn"},
		{"-o", built.web, "teal/test/e2e/testdata/web"},
	} {
		if out, err := exec.Command("go", append([]string{"build"}, args...)...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build %v: %v\n%s", args, err, out)
			return 1
		}
	}
	return m.Run()
}
