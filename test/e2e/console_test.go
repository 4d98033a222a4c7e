package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// pages are all that the console has of an app that is called web.
var consolePages = []string{"/", "/apps/web", "/apps/web/logs", "/apps/web/history", "/apps/web/versions", "/audit", "/queues", "/server", "/releases/web-2", "/apps/web/order/stop"}

// A release is watched in a browser from its first step on: nobody reloads. It is paused
// from there, resumed, and rolled back in two taps; a bad one is seen to go back by itself.
func TestAReleaseInTheConsole(t *testing.T) {
	defer contained(t)
	s := startServer(t)
	b := openBrowser(t, s, "")
	steps := "[{weight: 10, hold: 10m}]"
	s.ok("deploy", newApp(t, judged("", steps, "10m"), "").dir)
	startLoad(t, s.url(""), users(4)).await(t, 200)
	b.open("/")
	b.awaits("#apps", "web")
	b.follows("web")
	b.awaits("#release", "completed")

	good := s.background("deploy", newApp(t, judged("ROUND: 2", steps, "10m"), "").dir)
	b.awaits("#release .now", "10 %")
	b.awaits("#evidence", "nothing speaks against the new version")
	b.size(1100, 1000)
	b.picture("release.png")
	b.orders("Pause", "to look at it")
	b.awaits("#release", "paused by admin")
	b.orders("Resume", "")
	b.awaits("#release", "holding until")
	b.orders("Roll back", "it smells")
	b.awaits("#release", "rolled back to v1")
	<-good
	if live := s.ok("status", "web").stdout; !strings.Contains(live, "live      v1") {
		t.Error(live)
	}

	bad := s.background("deploy", newApp(t, judged("FAIL_PERCENT: 20", steps, "10m"), "").dir)
	b.awaits("#release", "web-3 was rolled back to v1: new (v3) failed")
	if r := <-bad; r.code != 1 {
		t.Errorf("deploy: %+v", r)
	}
	b.awaits("#evidence", "it has crossed the threshold")
	b.open("/releases/web-3")
	b.awaits("#evidence", "rolls back at")
	evaluate[bool](b, `(document.getElementById("evidence").scrollIntoView(), true)`)
	b.picture("evidence.png")
	b.size(390, 844)
	b.open("/apps/web")
	b.awaits("#release", "was rolled back")
	b.picture("phone.png")
	b.open("/audit?app=web")
	for _, said := range []string{"rollback", "it smells", "pause", "to look at it"} {
		b.awaits("#audit", said)
	}
}

// orders gives an order from an app's page: one tap, one confirmation that says what will
// happen.
func (b *browser) orders(label, why string) {
	b.t.Helper()
	b.follows(label + "…")
	b.awaits(".confirm", "web")
	if why != "" {
		b.types("#why", why)
	}
	b.follows(label + " web")
	b.awaits(".banner.good", label+": done")
}

// Every page fits a phone, can be read by a screen reader, and is used by the keyboard
// alone. Seen red with a table that is not in a box that scrolls, and with a field without
// a label.
func TestTheConsoleIsForEverybody(t *testing.T) {
	defer contained(t)
	s := startServer(t)
	b := openBrowser(t, s, "")
	for i := range 2 {
		s.ok("deploy", newApp(t, judged(fmt.Sprintf("ROUND: %d", i), "[]", "1s"), "").dir)
	}
	axe := auditScript(t)
	for _, scheme := range []string{"light", "dark"} {
		b.prefers(scheme)
		for _, page := range consolePages {
			b.size(1280, 800)
			b.open(page)
			if problems := b.audit(axe); len(problems) > 0 {
				t.Errorf("%s (%s): %s", page, scheme, strings.Join(problems, "\n"))
			}
			b.size(320, 640)
			if wide := evaluate[int](b, "document.documentElement.scrollWidth"); wide > 320 {
				t.Errorf("%s is %d wide on a phone", page, wide)
			}
		}
	}
	b.size(1280, 800)
	b.open("/")
	b.tabsTo("Roll back")
	b.press("\r")
	b.awaits(".confirm", "All traffic goes to v1")
	b.tabsTo("Roll back web")
	b.press("\r")
	b.awaits(".banner.good", "Roll back: done")
	waitUntil(t, "live to be v1", func() (bool, string) {
		live := s.ok("status", "web").stdout
		return strings.Contains(live, "live      v1"), live
	})
}

// A viewer is offered no order, and who looks while the server goes away is told so, with
// the time of the figures.
func TestTheConsoleOfAViewerAndABrokenStream(t *testing.T) {
	defer contained(t)
	s := startServer(t)
	s.ok("deploy", newApp(t, judged("", "[]", "1s"), "").dir)
	token := between(s.ok("token", "create", "eve", "--role", "viewer").stdout, "TEAL_TOKEN=", "\n")
	b := openBrowser(t, s, token)
	b.open("/apps/web")
	b.awaits("#environments", "serving")
	if said := b.text("body"); strings.Contains(said, "Roll back") || strings.Contains(said, "Stop") || strings.Contains(said, "Freeze") {
		t.Errorf("a viewer is offered orders:\n%s", said)
	}
	b.open("/apps/web/order/stop")
	b.awaits("main", "may not stop web")
	b.open("/apps/web")
	b.awaits("#environments", "serving")
	s.kill()
	b.awaits("#broken", "The connection to the server is broken")
	b.awaits("#broken", "Figures are from")
	s.start()
	b.signIn(s.addr("admin.token"))
	s.ok("token", "revoke", "eve")
	b.signIn(s.addr("admin.token"))
	b.open("/apps/web")
	b.awaits("#environments", "serving")
}

func between(text, from, to string) string {
	_, text, _ = strings.Cut(text, from)
	text, _, _ = strings.Cut(text, to)
	return strings.TrimSpace(text)
}

// The command opens the console for a browser that has no token, once.
func TestTheConsoleByItsCommand(t *testing.T) {
	defer contained(t)
	s := startServer(t)
	b := newBrowser(t, s)
	address := strings.Fields(s.ok("console", "--show").stdout)[0]
	b.goTo(address)
	b.awaits("#apps", "No apps yet")
	b.goTo(address)
	b.awaits("main", "has been used")
}
