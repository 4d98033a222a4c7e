package awslambda

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// lockedBuffer is a buffer for several writers.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// Who is answered before the body does not send the next request on that
// connection: net/http would read the rest of the body beside it.
//
// Seen red without the end of the connection: "invalid concurrent Body.Read call".
func TestARequestThatIsRefusedUnreadIsTheLastOfItsConnection(t *testing.T) {
	t.Parallel()
	var said lockedBuffer
	server := httptest.NewUnstartedServer(New(Config{Place: here, Secret: "s"}))
	server.Config.ErrorLog = log.New(&said, "", 0)
	server.Start()
	defer server.Close()
	client := server.Client()
	for range 200 {
		response, err := client.Post(server.URL+"/2015-03-31/functions/f/invocations", "application/json", strings.NewReader(strings.Repeat("x", 200<<10)))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusForbidden {
			t.Fatalf("refused with %s", response.Status)
		}
	}
	server.Close()
	if strings.Contains(said.String(), "panic") {
		t.Error(said.String())
	}
}
