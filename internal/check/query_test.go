package check_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"teal"
	"teal/internal/process"
)

// TestQueryAnswers: seen red with NaN and infinity taken for numbers.
func TestQueryAnswers(t *testing.T) {
	t.Parallel()
	g := run(t, nil)
	status, body := 200, ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/prefix/api/v1/query" || r.FormValue("query") != "errors{app='shop',version='2',live='1'}" {
			t.Errorf("the request is %s %v", r.URL, r.Form)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	defer server.Close()
	vector := func(values ...string) string {
		var series []string
		for _, value := range values {
			series = append(series, fmt.Sprintf(`{"metric":{},"value":[1795634596.911,%q]}`, value))
		}
		return `{"status":"success","data":{"resultType":"vector","result":[` + strings.Join(series, ",") + `]}}`
	}
	low, high := 0.5, 2.0
	for _, c := range []struct {
		name    string
		status  int
		body    string
		verdict teal.Verdict
		says    string
	}{
		{"between", 200, vector("1.5"), teal.VerdictPass, "it is 1.5"},
		{"on the limit", 200, vector("2"), teal.VerdictPass, "it is 2"},
		{"scalar", 200, `{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}`, teal.VerdictPass, "it is 1"},
		{"over", 200, vector("2.000001"), teal.VerdictFail, "at most 2 is allowed"},
		{"under", 200, vector("-1e300"), teal.VerdictFail, "at least 0.5 is needed"},
		{"NaN", 200, vector("NaN"), teal.VerdictError, "the result is NaN, which is no number"},
		{"infinity", 200, vector("+Inf"), teal.VerdictError, "the result is +Inf"},
		{"less infinity", 200, vector("-Inf"), teal.VerdictError, "the result is -Inf"},
		{"too large", 200, vector("1e999"), teal.VerdictError, "no number"},
		{"no number", 200, vector("many"), teal.VerdictError, "the result is many, which is no number"},
		{"empty", 200, vector(), teal.VerdictError, "the result is empty"},
		{"several", 200, vector("1", "1"), teal.VerdictError, "the result has 2 series instead of one"},
		{"matrix", 200, `{"status":"success","data":{"resultType":"matrix","result":[]}}`, teal.VerdictError, "the result is a matrix"},
		{"string", 200, `{"status":"success","data":{"resultType":"string","result":[1,"1"]}}`, teal.VerdictError, "the result is a string"},
		{"histogram", 200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1,{}]}]}}`, teal.VerdictError, "histogram"},
		{"short sample", 200, `{"status":"success","data":{"resultType":"scalar","result":[]}}`, teal.VerdictError, "no number"},
		{"odd sample", 200, `{"status":"success","data":{"resultType":"scalar","result":{}}}`, teal.VerdictError, "cannot be read"},
		{"number", 200, `{"status":"success","data":{"resultType":"scalar","result":[1,1]}}`, teal.VerdictError, "no number"},
		{"warnings", 200, `{"status":"success","warnings":["a store is away"],"data":{"resultType":"scalar","result":[1,"1"]}}`, teal.VerdictError, "a store is away"},
		{"no data", 200, `{"status":"success"}`, teal.VerdictError, "instead of a number"},
		{"failed", 200, `{"status":"error","error":"busy"}`, teal.VerdictError, "busy"},
		{"refused", 400, `{"status":"error","errorType":"bad_data","error":"parse error"}`, teal.VerdictError, "status 400: parse error"},
		{"internal", 500, "oh no", teal.VerdictError, `status 500: body "oh no"`},
		{"redirect", 302, "", teal.VerdictError, "status 302"},
		{"not JSON", 200, "<html>", teal.VerdictError, "not that of a Prometheus server"},
		{"nothing", 200, "", teal.VerdictError, "not that of a Prometheus server"},
		{"endless", 200, strings.Repeat(" ", 2<<20), teal.VerdictError, "longer than 1MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body = c.status, c.body
			f := g.query(teal.Query{URL: server.URL + "/prefix/", Query: "errors{app='${app}',version='${version}',live='${live}'}", Min: &low, Max: &high})
			wants(t, f, c.verdict, c.says, "at least 0.5 and at most 2 at "+server.URL)
			if judged := f.Verdict == teal.VerdictPass || f.Verdict == teal.VerdictFail; judged != (f.Statistic != nil && f.Threshold != nil) {
				t.Errorf("the finding is %+v", f)
			}
		})
	}
}

func TestQueryOfNobody(t *testing.T) {
	t.Parallel()
	g := run(t, nil)
	high := 1.0
	wants(t, g.query(teal.Query{URL: "http://127.0.0.1:1", Query: "up", Max: &high}), teal.VerdictError, "no connection could be made: connection refused")
	wants(t, g.query(teal.Query{URL: "http://[s3cret", Query: "up", Max: &high}), teal.VerdictError, "cannot be read")
	wants(t, g.query(teal.Query{URL: "http://127.0.0.1:1", Query: "up"}), teal.VerdictError, "nothing could fail")
	over := make(chan struct{})
	defer close(over)
	url := stranger(t, func(http.ResponseWriter, *http.Request) { <-over })
	f := g.query(teal.Query{URL: url, Query: "up", Max: &high, Timeout: teal.Duration(50 * time.Millisecond)})
	wants(t, f, teal.VerdictError, "there was no answer within")
	if all := fmt.Sprintf("%+v", f); strings.Contains(all, "s3cret") {
		t.Errorf("a secret is in the finding %s", all)
	}
}

// TestQueryWithGet: some proxies before a Prometheus server take no POST.
func TestQueryWithGet(t *testing.T) {
	t.Parallel()
	g := run(t, nil)
	url := stranger(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		if r.URL.Query().Get("query") != "up" || r.URL.Query().Get("key") != "s3cret" {
			t.Errorf("the request is %s", r.URL)
		}
		fmt.Fprint(w, `{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}`)
	})
	high := 1.0
	wants(t, g.query(teal.Query{URL: url, Query: "up", Max: &high}), teal.VerdictPass, "it is 1")
}

// TestPrometheus asks a real Prometheus server that measures a real app.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	program := findPrometheus(t)
	var requests, failed atomic.Int64
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, version := range []string{"1", "2"} {
			fmt.Fprintf(w, "requests_total{app=\"shop\",version=%q} %d\n", version, requests.Load())
		}
		fmt.Fprintf(w, "errors_total{app=\"shop\",version=\"2\"} %d\n", failed.Load())
	}))
	defer app.Close()
	server, stop := startPrometheus(t, program, app.Listener.Addr().String())
	g := run(t, nil)
	high := 0.1
	ask := func(expression string) teal.Finding {
		return g.query(teal.Query{URL: server, Query: expression, Max: &high})
	}
	const ratio = `errors_total{app="${app}",version="${version}"} / requests_total`
	requests.Store(100)
	eventually(t, "the app has been measured", func() bool { return ask(`sum(requests_total{version="2"}) > bool 99`).Verdict == teal.VerdictFail })
	wants(t, ask(ratio), teal.VerdictPass, `errors_total{app="shop",version="2"} / requests_total is at most 0.1`, "it is 0")
	failed.Store(20)
	eventually(t, "the errors have been measured", func() bool { return ask(ratio).Verdict == teal.VerdictFail })
	wants(t, ask(ratio), teal.VerdictFail, "it is 0.2, and at most 0.1 is allowed")
	wants(t, ask(`scalar(`+ratio+`)`), teal.VerdictFail, "it is 0.2")

	wants(t, ask("requests_total"), teal.VerdictError, "the result has 2 series instead of one")
	wants(t, ask("no_such_series"), teal.VerdictError, "the result is empty")
	wants(t, ask("vector(0) / 0"), teal.VerdictError, "the result is NaN")
	wants(t, ask("vector(1) / 0"), teal.VerdictError, "the result is +Inf")
	wants(t, ask("errors_total["), teal.VerdictError, "status 400", "parse error")
	wants(t, ask("errors_total[5m]"), teal.VerdictError, "the result is a matrix")
	wants(t, ask(`"text"`), teal.VerdictError, "the result is a string")
	wants(t, ask("histogram_quantile(2, requests_total)"), teal.VerdictError, "warns that the figure may be wrong")
	stop()
	wants(t, ask(ratio), teal.VerdictError, "no connection could be made: connection refused")
}

// findPrometheus returns the server that `make prometheus` builds, or another
// one of this machine.
func findPrometheus(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("TEAL_TEST_PROMETHEUS"); path != "" {
		return path
	}
	if path, err := filepath.Abs("../../bin/prometheus"); err == nil {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("there is no Prometheus server: make bin/prometheus builds one")
	}
	return path
}

// startPrometheus starts a server that measures the app five times a second.
func startPrometheus(t *testing.T, program, app string) (url string, stop func()) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	must(t, os.WriteFile(config, fmt.Appendf(nil, "global: {scrape_interval: 200ms}\nscrape_configs: [{job_name: app, static_configs: [{targets: [%q]}]}]\n", app), 0o600))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := l.Addr().String()
	must(t, l.Close())
	command := process.Command(context.Background(), program, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--log.level=error")
	command.Stderr = os.Stderr
	must(t, command.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = command.Wait()
	}()
	stop = func() {
		_ = command.Process.Kill()
		<-ended
	}
	t.Cleanup(stop)
	eventually(t, "Prometheus is ready", func() bool {
		response, err := http.Get("http://" + address + "/-/ready")
		if err != nil {
			return false
		}
		must(t, response.Body.Close())
		return response.StatusCode == http.StatusOK
	})
	http.DefaultClient.CloseIdleConnections()
	return "http://" + address, stop
}
