package check_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"teal"
)

const digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

func TestIntegration(t *testing.T) {
	t.Parallel()
	g := run(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "version 2") })
	dir := folder(t, map[string]string{"itest.sh": `#!/bin/sh
echo "$TEAL_APP $TEAL_VERSION $TEAL_RELEASE $STAGE $TEAL_LIVE_VERSION"
echo "$TEAL_PREVIEW_URL $TEAL_URL_WEB $TEAL_URL_PRICE_LIST" >&2
echo spoilt > itest.sh && echo more > "$TMPDIR/file" && echo "writes where it may"
echo "password: $PASSWORD"
mkdir locked && touch locked/file && chmod 500 locked
exit $CODE
`})
	g.bundles[digest] = dir
	itest := teal.Check{Command: []string{"./itest.sh"}, Code: digest, Env: map[string]string{
		"CODE": "0", "STAGE": "test", "TEAL_APP": "other", "PASSWORD": "hunter2",
	}}
	f := g.check(itest)
	wants(t, f, teal.VerdictPass, "the command ./itest.sh ends with exit status 0", "exit status 0 after",
		"shop 2 shop-7 test 1\n", g.url+" "+g.url+" "+g.url, "writes where it may", "password: [hidden]")
	if content, err := os.ReadFile(filepath.Join(dir, "itest.sh")); err != nil || strings.HasPrefix(string(content), "spoilt") {
		t.Error("the command has written into the bundle itself", err)
	}
	itest.Env["CODE"] = "3"
	wants(t, g.check(itest), teal.VerdictFail, "exit status 3", "shop 2")
	wants(t, g.check(teal.Check{Command: []string{"sh", "-c", "kill -9 $$"}}), teal.VerdictFail, "killed by signal killed")
	wants(t, g.check(teal.Check{Command: []string{"./gone.sh"}, Code: digest}), teal.VerdictError, "it cannot be started")
	wants(t, g.check(teal.Check{Command: []string{"true"}, Code: "sha256:1"}), teal.VerdictError, "its code cannot be read: there is no bundle sha256:1")
	if !isEmpty(t, g.workDir) {
		t.Error("folders of commands are left over")
	}
}

// The commands of a release are processes of green's environment, or its
// listeners refuse them. Seen red with each of the two without it.
func TestCommandsMayAskGreen(t *testing.T) {
	t.Parallel()
	g := run(t, func(http.ResponseWriter, *http.Request) {})
	wants(t, g.check(teal.Check{Command: []string{"true"}}), teal.VerdictPass)
	wants(t, g.hook(teal.Hook{Command: []string{"true"}}), teal.VerdictPass)
	g.mu.Lock()
	defer g.mu.Unlock()
	if green := teal.EnvironmentName("shop", 2); !slices.Equal(g.owners, []string{green, green}) {
		t.Errorf("the commands belong to %q, want %s", g.owners, green)
	}
}

func TestOutputIsBounded(t *testing.T) {
	t.Parallel()
	g := run(t, func(http.ResponseWriter, *http.Request) {})
	f := g.check(teal.Check{Command: []string{"sh", "-c", `seq 200000; printf '\033[31mred\377\n' >&2; echo the end`}})
	wants(t, f, teal.VerdictPass, "200000\n", "the end")
	if len(f.Output) < 3<<10 || !strings.HasPrefix(f.Output, "…\n1") || strings.Contains(f.Output, "\033") || !utf8.ValidString(f.Output) {
		t.Errorf("the output is %d bytes: %.40q … %q", len(f.Output), f.Output, f.Output[len(f.Output)-40:])
	}
	one := g.check(teal.Check{Command: []string{"sh", "-c", `head -c 20000 /dev/zero | tr '\0' x; printf 'ö%.0s' $(seq 3000)`}})
	wants(t, one, teal.VerdictPass, "ööö")
}

// The command of a check or a hook has the variables of the version's components, below
// its own and Teal's, and what is masked of either is in no evidence, each line of it.
//
// Seen red without the components' variables, with Teal's below them, without the look
// at masked names (their names sound like nothing), and with a secret of two lines
// hidden as one.
func TestCommandsHaveTheVariablesOfComponents(t *testing.T) {
	t.Parallel()
	g := run(t, func(http.ResponseWriter, *http.Request) {})
	g.web = teal.Component{Service: &teal.Service{
		Env:    map[string]string{"STAGE": "prod", "DSN": "postgres://u:p4ss@db/shop", "PEM": "-----BEGIN\nabcdefghij\n", "TEAL_APP": "other", "LEVEL": "debug"},
		Masked: []string{"DSN", "PEM"},
	}}
	script := []string{"sh", "-c", `echo "$TEAL_APP $STAGE $LEVEL dsn=$DSN own=$OWN"; echo "$PEM"`}
	own := map[string]string{"LEVEL": "info", "OWN": "from-the-vault"}
	wanted := []string{"shop prod info dsn=[hidden] own=[hidden]\n", "[hidden]\n[hidden]\n"}
	for name, f := range map[string]teal.Finding{
		"a check": g.check(teal.Check{Command: script, Env: own, Masked: []string{"OWN"}}),
		"a hook":  g.hook(teal.Hook{Command: script, Env: own, Masked: []string{"OWN"}}),
	} {
		wants(t, f, teal.VerdictPass, wanted...)
		for _, secret := range []string{"p4ss", "abcdefghij", "from-the-vault"} {
			if strings.Contains(fmt.Sprintf("%+v", f), secret) {
				t.Errorf("%s shows %q: %+v", name, secret, f)
			}
		}
	}
}

// hang is a command that starts children which start children, all deaf to
// SIGTERM, and hangs.
const hang = `trap '' TERM; (trap '' TERM; sh -c "trap '' TERM; sleep 1000" & sleep 1000) & echo started; sleep 1000`

// TestACommandThatForksAndHangs: seen red with a command that is left behind.
func TestACommandThatForksAndHangs(t *testing.T) {
	t.Parallel()
	g := run(t, func(http.ResponseWriter, *http.Request) {})
	mark := "TEAL_TEST_MARK=" + t.Name() + fmt.Sprint(os.Getpid())
	name, value, _ := strings.Cut(mark, "=")
	began := time.Now()
	f := g.check(teal.Check{Command: []string{"sh", "-c", hang}, Env: map[string]string{name: value}, Timeout: teal.Duration(300 * time.Millisecond)})
	wants(t, f, teal.VerdictFail, "it and everything that it had started were killed", "started")
	if pids := marked(t, mark); len(pids) > 0 {
		t.Errorf("the processes %v are left over", pids)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("that took %s", took)
	}
	if !isEmpty(t, g.workDir) {
		t.Error("folders of commands are left over")
	}
}

// TestStopKillsWhatRuns: seen red with a command that does not look at its
// context, and with what a killed command says taken for an answer.
func TestStopKillsWhatRuns(t *testing.T) {
	t.Parallel()
	g := run(t, func(http.ResponseWriter, *http.Request) {})
	mark := "TEAL_TEST_MARK=" + t.Name() + fmt.Sprint(os.Getpid())
	name, value, _ := strings.Cut(mark, "=")
	key := teal.TaskKey{Kind: teal.TaskCheck, Name: "it"}
	start := func() {
		g.begin(release(teal.Policy{Checks: []teal.Check{{Name: "it", Command: []string{"sh", "-c", hang}, Env: map[string]string{name: value}}}}), key)
		eventually(t, "the command runs", func() bool { return len(marked(t, mark)) >= 3 })
	}
	start()
	began := time.Now()
	g.examiner.Stop("shop-7")
	if took := time.Since(began); took > 10*time.Second { // without, it hangs for 1000 s
		t.Errorf("Stop took %s", took)
	}
	if pids := marked(t, mark); len(pids) > 0 {
		t.Errorf("the processes %v are left over after Stop", pids)
	}
	if o := g.examiner.Outcome("shop-7", key); o.Begun || o.Verdict != "" {
		t.Errorf("the outcome of a release that was stopped is %+v", o)
	}
	g.examiner.Stop("shop-7")

	start()
	g.stop()
	if pids := marked(t, mark); len(pids) > 0 {
		t.Errorf("the processes %v are left over after the end of Run", pids)
	}
	// A server that stops has not answered the question.
	if o := g.examiner.Outcome("shop-7", key); o.Verdict != "" || len(o.Findings) > 0 {
		t.Errorf("the end of the server gave the outcome %+v", o)
	}
}
