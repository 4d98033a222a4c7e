package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"

	"teal/internal/gateway/payload"
)

// directMain stands between a client and a Go function and does nothing but
// pass on: one goroutine, no pool, no log, an event that is made only once. No
// gateway that keeps the Runtime API can be faster than this on the machine.
func directMain(args []string) (err error) {
	if len(args) != 1 {
		return fmt.Errorf("%s needs the function's program", roleDirect)
	}
	d, err := startDirect(args[0])
	if err != nil {
		return err
	}
	defer func() {
		_ = d.cmd.Process.Kill()
		_ = d.cmd.Wait() // it was killed
	}()
	return serveUntilEOF(func(l net.Listener) error {
		for {
			client, err := l.Accept()
			if err != nil {
				return err
			}
			if err := d.serve(client); err != nil {
				return err
			}
		}
	})
}

type direct struct {
	cmd     *exec.Cmd
	runtime net.Conn
	in      *bufio.Reader
	event   []byte // the whole answer to next
}

func startDirect(program string) (*direct, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	d := &direct{cmd: exec.Command(program), event: cannedEvent()}
	d.cmd.Stderr = os.Stderr
	d.cmd.Env = []string{"AWS_LAMBDA_RUNTIME_API=" + l.Addr().String(), "GOMAXPROCS=1"} // as Teal sets it
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	if d.runtime, err = l.Accept(); err != nil {
		return nil, err
	}
	d.in = bufio.NewReader(d.runtime)
	return d, d.take() // the first next
}

func cannedEvent() []byte {
	now := time.Now()
	event := payload.EventV2(payload.Request{
		Method: "GET", Path: "/one", Protocol: "HTTP/1.1", Host: "bench.example", SourceIP: "127.0.0.1",
		Headers: map[string][]string{
			"Host": {"bench.example"}, "User-Agent": {"bench"}, "Accept": {"*/*"}, "Content-Length": {"0"}, "Teal-Version": {"1"},
			"X-Amzn-Trace-Id": {"Root=1-5e6722a7-cc56841d8f2a4c3b9e7a1f20"}, "X-Forwarded-For": {"127.0.0.1"},
			"X-Forwarded-Host": {"bench.example"}, "X-Forwarded-Port": {"8080"}, "X-Forwarded-Proto": {"http"},
		},
		RequestID: "0b0b0b0b-0b0b-4b0b-8b0b-0b0b0b0b0b0b", Time: now,
	})
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"+
		"Lambda-Runtime-Aws-Request-Id: 0b0b0b0b-0b0b-4b0b-8b0b-0b0b0b0b0b0b\r\n"+
		"Lambda-Runtime-Deadline-Ms: %d\r\n"+
		"Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:warm-one:live\r\n"+
		"Lambda-Runtime-Trace-Id: Root=1-5e6722a7-cc56841d8f2a4c3b9e7a1f20\r\n\r\n%s",
		len(event), now.Add(time.Hour).UnixMilli(), event)
}

// serve answers a client's requests until it leaves.
func (d *direct) serve(client net.Conn) error {
	defer client.Close()
	in := bufio.NewReader(client)
	for {
		if !readHead(in) {
			return nil
		}
		if _, err := d.runtime.Write(d.event); err != nil {
			return err
		}
		if err := d.take(); err != nil { // the response
			return err
		}
		if _, err := io.WriteString(client, cannedAnswer); err != nil {
			return nil //nolint:nilerr // the client has left
		}
		if _, err := io.WriteString(d.runtime, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"); err != nil {
			return err
		}
		if err := d.take(); err != nil { // the following next
			return err
		}
	}
}

// take reads one request of the runtime.
func (d *direct) take() error {
	r, err := http.ReadRequest(d.in)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r.Body)
	return err
}

// readHead reads over a request without a body; false at the connection's end.
func readHead(in *bufio.Reader) bool {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return false
		}
		if len(line) <= 2 {
			return true
		}
	}
}

const cannedAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
