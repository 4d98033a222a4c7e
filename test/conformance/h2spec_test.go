package conformance

import (
	"fmt"
	"html"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/summerwind/h2spec"
	"github.com/summerwind/h2spec/config"
)

// known are the cases that do not pass, each with why that is accepted.
var known = map[string]string{
	"http2/3.5 Sends invalid connection preface": "in cleartext the port speaks HTTP/1.1 too, and says 400 in that",
}

func TestH2Spec(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, strings.Repeat("answer ", 100))
	}))
	defer backend.Close()
	s := start(t)
	s.deploy(fmt.Sprintf("app: web\nupstreams: {web: {urls: [%q]}}\nroutes: [{path: /, to: web}]\n", backend.URL))
	for name, addr := range map[string]string{"cleartext": s.http, "TLS": s.https} {
		t.Run(name, func(t *testing.T) {
			host, port, err := net.SplitHostPort(addr)
			if err != nil {
				t.Fatal(err)
			}
			number, _ := strconv.Atoi(port)
			report := filepath.Join(t.TempDir(), "report.xml")
			_, err = h2spec.Run(&config.Config{
				Host: host, Port: number, Path: "/", Timeout: 2 * time.Second, MaxHeaderLen: 4000, JUnitReport: report,
				TLS: name == "TLS", Insecure: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			judge(t, report)
		})
	}
}

var (
	testcase = regexp.MustCompile(`(?s)<testcase package="([^"]*)" classname="([^"]*)"[^>]*>(.*?)</testcase>`)
	opened   = regexp.MustCompile(`<testcase `)
)

// judge fails the test for every case that failed and is not known.
func judge(t *testing.T, report string) {
	t.Helper()
	data, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for _, c := range testcase.FindAllStringSubmatch(string(data), -1) {
		if !strings.Contains(c[3], "<failure") && !strings.Contains(c[3], "<error") {
			continue
		}
		failed++
		name := html.UnescapeString(c[1] + " " + c[2])
		if why := known[name]; why != "" {
			t.Logf("%s: %s", name, why)
		} else {
			t.Errorf("failed: %s\n%s", name, c[3])
		}
	}
	t.Logf("%d cases, %d failed", len(opened.FindAllString(string(data), -1)), failed)
}
