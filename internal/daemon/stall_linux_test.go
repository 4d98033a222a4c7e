package daemon

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"teal"
	"teal/internal/await"
	"teal/internal/datadir"
	"teal/internal/logs"
)

// While the disk does not take the log of a function, its requests are answered as
// ever, none with a 429, and its instances go on printing; when the disk is back
// the log has it all. The disk stalls for real: in the place of the log is a named
// pipe that nobody reads.
//
// Seen red with a log that is written under the lock which every START line takes:
// soon no request was answered any more.
func TestAFunctionIsServedWhileTheDiskStalls(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	dir := t.TempDir()
	for name, text := range map[string]string{
		"teal.yaml": "app: hello\nfunctions:\n  hello: {runtime: python3, handler: app.handler, concurrency: {min: 4, max: 4}}\nroutes:\n  - {path: /, to: hello}\n",
		"app.py":    "def handler(event, context):\n    print('x' * 1000)\n    return 'fine'\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.deploy(dir, true, func(p *teal.Policy) { p.Confidence = 0 })
	h.awaitPhase("hello", teal.PhaseCompleted)
	get(t, h)
	ctx, cancel := context.WithTimeout(t.Context(), await.Patience)
	defer cancel()
	for l, err := range h.daemon.running.logs.Read(ctx, logs.Query{App: "hello", Follow: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(l.Text, "REPORT ") {
			break // so that nothing is on its way to the file
		}
	}
	path := filepath.Join(h.data, datadir.Logs, "hello", "1", "00000001.jsonl")
	if err := os.Rename(path, path+".before"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	var pipe *os.File
	back := sync.OnceFunc(func() {
		var err error
		if pipe, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		back()
		_ = pipe.SetReadDeadline(time.Time{})
		go func() { _, _ = io.Copy(io.Discard, pipe) }()
		h.stop()
		_ = pipe.Close()
	})

	const workers, each = 4, 100
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for n := 0; n < each && !t.Failed(); n++ {
				get(t, h) // who waits for the disk waits for ever
			}
		})
	}
	group.Wait()
	if t.Failed() {
		return // the log will not have it all
	}
	ctx, cancel = context.WithTimeout(t.Context(), await.Patience)
	defer cancel()
	out, err := h.awsClient().Invoke(ctx, &awssdk.InvokeInput{FunctionName: aws.String("hello"), Qualifier: aws.String("live"), LogType: types.LogTypeTail, Payload: []byte("{}")})
	if err != nil || out.FunctionError != nil {
		t.Errorf("an invocation that asks for its log: %v, %+v", err, out)
	}

	if back(); pipe == nil {
		return
	}
	if err := pipe.SetReadDeadline(time.Now().Add(await.Patience)); err != nil {
		t.Fatal(err)
	}
	lines, starts, prints := bufio.NewScanner(pipe), 0, 0
	for (starts < workers*each || prints < workers*each) && lines.Scan() {
		if strings.Contains(lines.Text(), `"START RequestId: `) {
			starts++
		}
		if strings.Contains(lines.Text(), "xxxxxxxxxx") {
			prints++
		}
	}
	if starts < workers*each || prints < workers*each {
		t.Errorf("%d lines START and %d that were printed have come to the log, of %d each: %v", starts, prints, workers*each, lines.Err())
	}
	if lost := h.daemon.running.telemetry().lost(); lost["component_log_lines"] != 0 {
		t.Errorf("lost %v", lost)
	}
}

// get asks the function of app hello.
func get(t *testing.T, h *harness) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), await.Patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.daemon.HTTPAddr().String()+"/", nil)
	if err != nil {
		t.Error(err)
		return
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Error(err)
		return
	}
	body, _ := io.ReadAll(response.Body)
	if _ = response.Body.Close(); response.StatusCode != http.StatusOK {
		t.Errorf("%d %s", response.StatusCode, body)
	}
}
