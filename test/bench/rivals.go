package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
)

// rival is this program in another role. It says its address on the standard
// output, and ends when its standard input does.
type rival struct {
	cmd     *exec.Cmd
	stdin   io.Closer
	address string
}

func (l *lab) rival(ctx context.Context, args ...string) (*rival, error) {
	r := &rival{cmd: exec.CommandContext(ctx, l.self, args...)}
	r.cmd.Stderr = os.Stderr
	stdin, err := r.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	r.stdin = stdin
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		r.stop()
		return nil, fmt.Errorf("%s did not start: %w", args[0], err)
	}
	r.address = strings.TrimSpace(line)
	return r, nil
}

func (r *rival) stop() {
	_ = r.stdin.Close()
	_ = r.cmd.Wait() // it has nothing to say
}

// serveUntilEOF serves on a free port until the standard input ends.
func serveUntilEOF(serve func(net.Listener) error) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	failed := make(chan error, 1)
	go func() { failed <- serve(l) }()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		failed <- nil
	}()
	return <-failed
}

// cannedMain answers every request head with the same bytes: what is left is
// the client, two processes and the loopback.
func cannedMain() error {
	return serveUntilEOF(func(l net.Listener) error {
		for {
			conn, err := l.Accept()
			if err != nil {
				return err
			}
			go func() {
				in := bufio.NewReader(conn)
				for readHead(in) {
					if _, err := io.WriteString(conn, cannedAnswer); err != nil {
						return
					}
				}
			}()
		}
	})
}

// proxyMain is httputil.ReverseProxy with what everybody sets: forwarding
// headers, and enough idle connections.
func proxyMain(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s needs the URL to proxy to", roleProxy)
	}
	target, err := url.Parse(args[0])
	if err != nil {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.DisableCompression = 256, true
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
		},
	}
	return serveUntilEOF(func(l net.Listener) error { return http.Serve(l, proxy) })
}
