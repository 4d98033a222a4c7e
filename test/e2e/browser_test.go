package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// browser is a Chromium with one tab, as a person who looks at a server's console has it.
type browser struct {
	t   testing.TB
	ctx context.Context
	s   *server
}

// openBrowser is newBrowser, signed in to a server's console as the owner of a token; "" is
// the server's own.
func openBrowser(t testing.TB, s *server, token string) *browser {
	t.Helper()
	b := newBrowser(t, s)
	b.signIn(token)
	return b
}

// newBrowser starts a browser of its own. Without a Chromium the test is skipped.
func newBrowser(t testing.TB, s *server) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("there is no chromium; install it with your system's package manager")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.UserDataDir(filepath.Join(t.TempDir(), "profile")),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-background-networking", true), chromedp.NoFirstRun,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(patience),
	)
	allocated, release := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(allocated)
	b := &browser{t: t, ctx: ctx, s: s}
	t.Cleanup(func() { end(); release() })
	if err := chromedp.Do(ctx); err != nil { // without a limit: it would end the browser, too
		t.Fatalf("start the browser: %v", err)
	}
	b.size(1280, 800)
	return b
}

// do has the browser do something, within patience.
func (b *browser) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%s: %v; the page says\n%s", what, err, tail(b.says(), 40))
	}
}

// says returns what the page says, for who has to find out why a test has failed.
func (b *browser) says() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
	if err != nil {
		return err.Error()
	}
	return text
}

// evaluate returns what a script says of the page.
func evaluate[T any](b *browser, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	result, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", script, err)
	}
	return result
}

func (b *browser) url(path string) string {
	return "http://" + b.s.addr("admin.addr") + "/console" + path
}

// signIn signs in with a token by the form, as people do.
func (b *browser) signIn(token string) {
	b.t.Helper()
	if token == "" {
		token = b.s.addr("admin.token")
	}
	b.do("sign in", chromedp.Navigate(b.url("/sign-in")), chromedp.SendKeys("#token", token+"\r"), chromedp.WaitVisible("header nav"))
}

// open opens a page of the console.
func (b *browser) open(path string) {
	b.t.Helper()
	b.goTo(b.url(path))
}

func (b *browser) goTo(address string) {
	b.t.Helper()
	b.do("open "+address, chromedp.Navigate(address), chromedp.WaitReady("main"))
}

// text returns what a part of the page says; "" where it is not there.
func (b *browser) text(selector string) string {
	b.t.Helper()
	return evaluate[string](b, `document.querySelector(`+strconv.Quote(selector)+`)?.innerText ?? ""`)
}

// awaits waits until a part of the page, which changes by itself, says something.
func (b *browser) awaits(selector, want string) {
	b.t.Helper()
	waitUntil(b.t, selector+" to say "+want, func() (bool, string) {
		text := b.text(selector)
		return strings.Contains(text, want), text
	})
}

// follows clicks the link or button that a person reads as text.
func (b *browser) follows(text string) {
	b.t.Helper()
	path := `//*[self::a or self::button][contains(normalize-space(.), "` + text + `")]`
	b.do("click "+text, chromedp.WaitVisible(path), chromedp.Click(path))
}

// types writes into a field.
func (b *browser) types(selector, text string) {
	b.t.Helper()
	b.do("type "+text, chromedp.WaitVisible(selector), chromedp.SendKeys(selector, text))
}

// press presses keys, wherever the keyboard is.
func (b *browser) press(keys string) {
	b.t.Helper()
	b.do("press "+strconv.Quote(keys), chromedp.KeyEvent(keys))
}

// tabsTo goes by the keyboard to the first thing whose text begins so.
func (b *browser) tabsTo(text string) {
	b.t.Helper()
	const most = 60
	seen := []string{}
	for range most {
		b.press("\t")
		at := evaluate[string](b, `(document.activeElement?.innerText ?? "").trim()`)
		if strings.HasPrefix(at, text) && at != "" {
			return
		}
		seen = append(seen, at)
	}
	b.t.Fatalf("the keyboard does not get to %q, only to %q", text, seen)
}

// prefers has the page be shown light or dark.
func (b *browser) prefers(scheme string) {
	b.t.Helper()
	b.do("prefer "+scheme, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}

// axeVersion is the version of axe-core, which finds what keeps people from using a page.
const axeVersion = "4.14.1"

// auditScript returns axe-core, from npm. Where it cannot be had the test is skipped.
func auditScript(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	pack := exec.Command("npm", "pack", "--silent", "axe-core@"+axeVersion)
	pack.Dir = dir
	if out, err := pack.CombinedOutput(); err != nil {
		t.Skipf("axe-core cannot be had: %v %s", err, out)
	}
	if out, err := exec.Command("tar", "-xzf", filepath.Join(dir, "axe-core-"+axeVersion+".tgz"), "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	script, err := os.ReadFile(filepath.Join(dir, "package", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}

// audit returns what axe-core finds wrong with the page, by the rules of WCAG 2.1, A and AA.
func (b *browser) audit(axe string) []string {
	b.t.Helper()
	evaluate[bool](b, axe+"; true")
	return evaluate[[]string](b, `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}).then(r =>
		r.violations.map(v => v.id + ": " + v.help + ": " + v.nodes.map(n => n.html.slice(0, 120) + " " + (n.any[0]?.message ?? "")).slice(0, 3).join(" | ")))`)
}

// size makes the window so large, in CSS pixels.
func (b *browser) size(width, height int64) {
	b.t.Helper()
	options := []chromedp.EmulateViewportOption{}
	if width < 600 {
		options = append(options, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	b.do("resize", chromedp.EmulateViewport(width, height, options...))
}

// picture writes what the window shows, where pictures are wanted: `make pictures`.
func (b *browser) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("TEAL_PICTURES")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
