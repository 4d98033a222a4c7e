// Command web is the service of the test apps. Everything it answers says which
// version it is.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/coder/websocket"
)

var version = os.Getenv("TEAL_VERSION")

// ending is closed at SIGTERM when GOODBYE is set; open counts what then says its
// last words.
var (
	ending = make(chan struct{})
	open   sync.WaitGroup
)

// sayGoodbye ends the program when everything has said its last words. A request
// that has none is not answered.
func sayGoodbye(server *http.Server) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	<-signals
	close(ending)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = server.Shutdown(ctx)
	open.Wait()
	os.Exit(0)
}

func main() {
	time.Sleep(time.Duration(setting("START_MS")) * time.Millisecond)
	awaitGate(os.Getenv("START_GATE"))
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", healthz)
	mux.HandleFunc("/", root)
	mux.HandleFunc("/check", check)
	mux.HandleFunc("/slow", slow)
	mux.HandleFunc("/wait", wait)
	mux.HandleFunc("/upload", upload)
	mux.HandleFunc("/sse", sse)
	mux.HandleFunc("/ws", ws)
	mux.HandleFunc("/chain", chain)
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT"), Handler: mux}
	if setting("GOODBYE") > 0 {
		go func() { _ = server.ListenAndServe() }()
		sayGoodbye(server)
	}
	log.Fatal(server.ListenAndServe())
}

// awaitGate returns when there is a file of that name; at once when it has no name.
func awaitGate(name string) {
	for name != "" {
		if _, err := os.Stat(name); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// database reports whether what the service needs is there: the file that DATABASE
// names.
func database() bool {
	_, err := os.Stat(os.Getenv("DATABASE"))
	return err == nil || os.Getenv("DATABASE") == ""
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	if !database() {
		http.Error(w, "no database", http.StatusServiceUnavailable)
	}
}

// root answers as well as the version's environment says: late, after LATENCY_MS,
// and not at all to FAIL_PERCENT of its users.
func root(w http.ResponseWriter, _ *http.Request) {
	time.Sleep(time.Duration(setting("LATENCY_MS")) * time.Millisecond)
	if setting("TELL") > 0 {
		fmt.Println("served a user")
	}
	if !database() || rand.IntN(100) < setting("FAIL_PERCENT") {
		http.Error(w, "broken", http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, "version %s", version)
}

// check is what checks ask: it takes CHECK_MS and answers CHECK_STATUS.
func check(w http.ResponseWriter, _ *http.Request) {
	time.Sleep(time.Duration(setting("CHECK_MS")) * time.Millisecond)
	if status := setting("CHECK_STATUS"); status > 0 {
		http.Error(w, "not today", status)
	}
}

func setting(name string) int {
	n, _ := strconv.Atoi(os.Getenv(name)) // unset is 0
	return n
}

func number(r *http.Request, name string, otherwise int) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil {
		return otherwise
	}
	return n
}

// slow answers in several pieces over the asked number of milliseconds, the last one
// when the gate is open.
func slow(w http.ResponseWriter, r *http.Request) {
	const pieces = 5
	pause := time.Duration(number(r, "ms", 250)) * time.Millisecond / pieces
	for i := range pieces {
		fmt.Fprintf(w, "piece %d of version %s\n", i, version)
		w.(http.Flusher).Flush()
		time.Sleep(pause)
	}
	awaitGate(r.URL.Query().Get("gate"))
	fmt.Fprint(w, "done")
}

// wait answers nothing for the asked number of milliseconds, or until its client is
// gone.
func wait(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(time.Duration(number(r, "ms", 0)) * time.Millisecond):
		fmt.Fprintf(w, "version %s", version)
	case <-r.Context().Done():
	}
}

func upload(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "version %s got %d", version, n)
}

func sse(w http.ResponseWriter, r *http.Request) {
	open.Add(1)
	defer open.Done()
	w.Header().Set("Content-Type", "text/event-stream")
	for i := range number(r, "events", 10) {
		fmt.Fprintf(w, "id: %d\ndata: version %s\n\n", i, version)
		w.(http.Flusher).Flush()
		select {
		case <-time.After(25 * time.Millisecond):
		case <-ending:
			fmt.Fprint(w, "event: goodbye\ndata: end\n\n")
			return
		}
	}
	awaitGate(r.URL.Query().Get("gate"))
	fmt.Fprint(w, "event: end\ndata: end\n\n")
}

// ws sends every message back, with the version in front, until the client
// closes.
func ws(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	open.Add(1)
	defer open.Done()
	go func() {
		<-ending
		_ = conn.Close(websocket.StatusGoingAway, "goodbye")
	}()
	for {
		kind, data, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		if err := conn.Write(r.Context(), kind, append([]byte(version+" "), data...)); err != nil {
			return
		}
	}
}

// chain answers with its own version and, behind it, what the sibling named in
// the query answers for the rest of the way: ?via=one,two.
func chain(w http.ResponseWriter, r *http.Request) {
	next, rest := cut(r.URL.Query().Get("via"))
	if next == "" {
		fmt.Fprint(w, version)
		return
	}
	resp, err := http.Get(os.Getenv("TEAL_URL_"+next) + "/chain?via=" + rest)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		http.Error(w, fmt.Sprintf("%s answered %d %s: %v", next, resp.StatusCode, body, err), http.StatusBadGateway)
		return
	}
	fmt.Fprintf(w, "%s %s", version, body)
}

func cut(via string) (next, rest string) {
	for i := range via {
		if via[i] == ',' {
			return via[:i], via[i+1:]
		}
	}
	return via, ""
}
