// Command web is the service that the benchmark proxies to. It says on which
// port it listens, so that the rival can be led to the very same process.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

func main() {
	port := os.Getenv("PORT")
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	mux.HandleFunc("/port", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, port) })
	if err := http.ListenAndServe(net.JoinHostPort("127.0.0.1", port), mux); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
