package process_test

import (
	"slices"
	"testing"

	"teal/internal/process"
)

func TestExpand(t *testing.T) {
	t.Parallel()
	env := map[string]string{"PORT": "4000", "HOST": "127.0.0.1", "TEAL_URL_API": "http://127.0.0.1:9", "SECRET": "s", "TEAL_DEEP": "$PORT"}
	args := []string{"--bind", "$HOST:$PORT", "${PORT}x", "$PORTAL", "$SECRET", "$TEAL_URL_API/a", "$TEAL_URL_GONE", "${PORT", "$$PORT", "$TEAL_DEEP", "echo $1 $?"}
	want := []string{"--bind", "127.0.0.1:4000", "4000x", "$PORTAL", "$SECRET", "http://127.0.0.1:9/a", "$TEAL_URL_GONE", "${PORT", "$4000", "$PORT", "echo $1 $?"}
	if got := process.Expand(args, env); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if args[1] != "$HOST:$PORT" {
		t.Error("the command itself was changed")
	}
}
