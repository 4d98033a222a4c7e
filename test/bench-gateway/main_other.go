//go:build !linux

// Command bench-gateway measures Teal's gateway beside nginx, HAProxy and Caddy.
// It needs Linux.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench-gateway: it needs Linux: epoll, and /proc for the CPU time of the proxies")
	os.Exit(1)
}
