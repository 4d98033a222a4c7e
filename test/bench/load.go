package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// wire is one keep-alive connection that asks for the same thing again and
// again. It knows as little HTTP as it can, so that it costs little.
type wire struct {
	conn    net.Conn
	in      *bufio.Reader
	request []byte
	body    []byte // of the last answer
	version string // that gave it, where a Teal answered
}

func dial(address, path string) (*wire, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	request := "GET " + path + " HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
	return &wire{conn: conn, in: bufio.NewReader(conn), request: []byte(request)}, nil
}

func (w *wire) close() { _ = w.conn.Close() }

// ask sends the request and reads the whole answer, which must be a 200 of a
// known length.
func (w *wire) ask() (time.Duration, error) {
	start := time.Now()
	if _, err := w.conn.Write(w.request); err != nil {
		return 0, err
	}
	err := w.read()
	return time.Since(start), err
}

func (w *wire) read() error {
	status, err := w.in.ReadString('\n')
	if err != nil {
		return err
	}
	length := -1
	for {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		switch name, value, _ := bytes.Cut(line, []byte(": ")); string(name) {
		case "Content-Length":
			length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
		case "Teal-Version":
			w.version = string(bytes.TrimSpace(value))
		}
		if err != nil {
			return err
		}
	}
	if length < 0 {
		return errors.New("the answer has no Content-Length")
	}
	w.body = append(w.body[:0], make([]byte, length)...)
	if _, err := io.ReadFull(w.in, w.body); err != nil {
		return err
	}
	if !strings.HasPrefix(status, "HTTP/1.1 200") {
		return fmt.Errorf("%s: %s", strings.TrimSpace(status), w.body)
	}
	return nil
}

// load says what a client process is to do.
type load struct {
	address string
	path    string
	conns   int
	lasts   time.Duration
}

// shot is what a client process has seen.
type shot struct {
	Took []time.Duration `json:"took"`
	Wall time.Duration   `json:"wall"`
	CPU  time.Duration   `json:"cpu"` // that the client itself used meanwhile
}

// perSecond returns how many answers came in a second.
func (s shot) perSecond() float64 { return float64(len(s.Took)) / s.Wall.Seconds() }

// fire runs a load in a process of its own.
func (l *lab) fire(ctx context.Context, what load) (shot, error) {
	cmd := exec.CommandContext(ctx, l.self, roleClient, "-address", what.address, "-path", what.path,
		"-conns", strconv.Itoa(what.conns), "-for", what.lasts.String())
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return shot{}, fmt.Errorf("load on %s%s: %w: %s", what.address, what.path, err, problem.String())
	}
	var s shot
	err := json.Unmarshal(out.Bytes(), &s)
	return s, err
}

// warmUp is how many answers of each connection are not counted.
const warmUp = 100

func clientMain(args []string) error {
	var what load
	flags := flag.NewFlagSet(roleClient, flag.ContinueOnError)
	flags.StringVar(&what.address, "address", "", "")
	flags.StringVar(&what.path, "path", "/", "")
	flags.IntVar(&what.conns, "conns", 1, "")
	flags.DurationVar(&what.lasts, "for", time.Second, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s, err := what.fire()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(s)
}

func (what load) fire() (shot, error) {
	took := make([][]time.Duration, what.conns)
	failed := make([]error, what.conns)
	var warm, workers sync.WaitGroup
	var start time.Time
	begin := make(chan struct{})
	warm.Add(what.conns)
	for i := range what.conns {
		workers.Go(func() {
			w, err := dial(what.address, what.path)
			if err == nil {
				defer w.close()
				err = w.repeat(func(n int) bool { return n < warmUp }, nil)
			}
			warm.Done()
			<-begin
			if err == nil {
				took[i] = make([]time.Duration, 0, 1<<16)
				err = w.repeat(func(int) bool { return time.Since(start) < what.lasts }, &took[i])
			}
			failed[i] = err
		})
	}
	warm.Wait()
	cpu := usedCPU(syscall.RUSAGE_SELF)
	start = time.Now()
	close(begin)
	workers.Wait()
	s := shot{Wall: time.Since(start), CPU: usedCPU(syscall.RUSAGE_SELF) - cpu}
	for _, t := range took {
		s.Took = append(s.Took, t...)
	}
	return s, errors.Join(failed...)
}

func (w *wire) repeat(more func(n int) bool, took *[]time.Duration) error {
	for n := 0; more(n); n++ {
		t, err := w.ask()
		if err != nil {
			return err
		}
		if took != nil {
			*took = append(*took, t)
		}
	}
	return nil
}
