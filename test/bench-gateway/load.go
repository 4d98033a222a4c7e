//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// plan is a load to make.
type plan struct {
	address string
	conns   int
	lasting time.Duration
	rate    int // requests per second, sent when they are due; 0: each connection sends when it has been answered
	path    string
	send    int  // bytes of the request's body
	fresh   bool // a new connection for every request
	sockets bool // WebSocket frames instead of requests
	hold    bool // answer one request on each connection, then hold them until standard input ends
}

func (p plan) args() []string {
	return []string{roleLoad, "-address", p.address, "-conns", strconv.Itoa(p.conns), "-lasting", p.lasting.String(), "-rate", strconv.Itoa(p.rate),
		"-path", p.path, "-send", strconv.Itoa(p.send), "-fresh=" + strconv.FormatBool(p.fresh), "-sockets=" + strconv.FormatBool(p.sockets), "-hold=" + strconv.FormatBool(p.hold)}
}

// outcome is how a load went. Latencies are from when a request was due, so that
// a proxy that stands still is charged for everything that waits meanwhile.
type outcome struct {
	Requests, Failed int
	Bytes            int64
	Seconds          float64
	P50, P99, P999   time.Duration
	First            string // the first failure
}

func loadMain(args []string) error {
	var p plan
	flags := flag.NewFlagSet(roleLoad, flag.ContinueOnError)
	flags.StringVar(&p.address, "address", "", "")
	flags.IntVar(&p.conns, "conns", 1, "")
	flags.DurationVar(&p.lasting, "lasting", time.Second, "")
	flags.IntVar(&p.rate, "rate", 0, "")
	flags.StringVar(&p.path, "path", "/", "")
	flags.IntVar(&p.send, "send", 0, "")
	flags.BoolVar(&p.fresh, "fresh", false, "")
	flags.BoolVar(&p.sockets, "sockets", false, "")
	flags.BoolVar(&p.hold, "hold", false, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	l, err := newLoader(p)
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := l.run(); err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(l.outcome()); err != nil {
		return err
	}
	if p.hold {
		_, _ = os.Stdin.Read(make([]byte, 1)) // the end says so
	}
	return nil
}

// loader makes one load.
type loader struct {
	plan
	target  *net.TCPAddr
	poll    *poller
	timer   int // a timerfd that says when the next request is due
	conns   map[int]*talker
	idle    []*talker
	waiting []time.Time // when the requests were due that no connection was free for
	next    time.Time   // when the next one is due
	began   time.Time
	until   time.Time
	request []byte
	buffer  []byte
	taken   []time.Duration
	bytes   int64
	failed  int
	first   string
	answers int // for hold
}

// talker is one connection.
type talker struct {
	fd       int
	out      []byte // what is left to send
	due      time.Time
	busy     bool
	opening  bool   // the WebSocket is being asked for
	head     []byte // an incomplete head of an answer
	left     int64  // bytes of the answer's body that are still to come; -1 before its head
	status   int
	untilEnd bool
}

func newLoader(p plan) (*loader, error) {
	target, err := net.ResolveTCPAddr("tcp4", p.address)
	if err != nil {
		return nil, err
	}
	l := &loader{plan: p, target: target, conns: map[int]*talker{}, buffer: make([]byte, 256<<10)}
	if l.poll, err = newPoller(); err != nil {
		return nil, err
	}
	if l.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return nil, err
	}
	l.request = requestOf(p)
	return l, l.poll.add(l.timer)
}

// frame is a masked WebSocket message of 16 bytes, and its echo has 18.
var frame = append([]byte{0x82, 0x80 | 16, 1, 2, 3, 4}, bytes.Repeat([]byte("x"), 16)...)

const echoed = 18

func requestOf(p plan) []byte {
	if p.sockets {
		return frame
	}
	method, closing := "GET", ""
	if p.send > 0 {
		method = "POST"
	}
	if p.fresh {
		closing = "Connection: close\r\n"
	}
	r := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: bench\r\nAccept: */*\r\n%s", method, p.path, closing)
	if p.send > 0 {
		r = fmt.Appendf(r, "Content-Length: %d\r\n", p.send)
	}
	return append(append(r, "\r\n"...), make([]byte, p.send)...)
}

const upgrade = "GET /ws HTTP/1.1\r\nHost: bench.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

func (l *loader) run() error {
	for range l.plan.conns {
		if err := l.open(); err != nil {
			return err
		}
	}
	l.began = time.Now()
	l.until, l.next = l.began.Add(l.lasting), l.began
	if l.rate > 0 {
		l.tick()
	}
	for patience := l.until.Add(10 * time.Second); !l.over(); {
		if time.Now().After(patience) {
			l.fail(errors.New("some were not answered within 10 s of the end"))
			return nil
		}
		events, err := l.poll.wait(50 * time.Millisecond)
		if err != nil {
			return err
		}
		for _, e := range events {
			if int(e.Fd) == l.timer {
				l.tick()
			} else if t := l.conns[int(e.Fd)]; t != nil {
				l.serve(t)
			}
		}
	}
	return nil
}

// over reports whether nothing is to be sent any more and all was answered.
func (l *loader) over() bool {
	if l.hold {
		return l.answers+l.failed >= l.plan.conns
	}
	if time.Now().Before(l.until) || len(l.waiting) > 0 {
		return false
	}
	for _, t := range l.conns {
		if t.busy {
			return false
		}
	}
	return true
}

// tick sends what is due and sets the timer for what comes next.
func (l *loader) tick() {
	var expired [8]byte
	_, _ = unix.Read(l.timer, expired[:])
	now := time.Now()
	for step := time.Second / time.Duration(l.rate); !l.next.After(now) && l.next.Before(l.until); l.next = l.next.Add(step) {
		l.waiting = append(l.waiting, l.next)
	}
	for len(l.waiting) > 0 && len(l.idle) > 0 {
		t := l.idle[len(l.idle)-1]
		l.idle = l.idle[:len(l.idle)-1]
		l.begin(t, l.pop())
	}
	if l.next.Before(l.until) {
		in := max(time.Until(l.next), time.Microsecond)
		_ = unix.TimerfdSettime(l.timer, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(in.Nanoseconds())}, nil)
	}
}

func (l *loader) pop() time.Time {
	due := l.waiting[0]
	l.waiting = l.waiting[1:]
	return due
}

// open makes a new connection, which begins at once when nothing says when.
func (l *loader) open() error {
	fd, err := socket(l.target)
	if err != nil {
		return err
	}
	t := &talker{fd: fd, left: -1}
	l.conns[fd] = t
	if err := l.poll.add(fd); err != nil {
		return err
	}
	switch {
	case l.sockets:
		t.opening, t.busy, t.out = true, true, []byte(upgrade)
	case l.rate > 0:
		l.idle = append(l.idle, t)
	default:
		t.busy, t.due, t.out = true, time.Now(), l.request
	}
	return nil
}

// begin sends the next request.
func (l *loader) begin(t *talker, due time.Time) {
	t.busy, t.due, t.out, t.left, t.head = true, due, l.request, -1, t.head[:0]
	l.write(t)
}

// serve does what a connection is ready for.
func (l *loader) serve(t *talker) {
	if !l.write(t) {
		return
	}
	for {
		n, err := unix.Read(t.fd, l.buffer)
		switch {
		case again(err):
			return
		case err != nil || n == 0:
			l.ended(t, err)
			return
		}
		l.bytes += int64(n)
		if l.take(t, l.buffer[:n]); l.conns[t.fd] != t {
			return
		}
	}
}

// write sends what is left and reports whether the connection is well.
func (l *loader) write(t *talker) bool {
	for len(t.out) > 0 {
		n, err := unix.Write(t.fd, t.out)
		if again(err) || errors.Is(err, unix.ENOTCONN) {
			return true
		}
		if err != nil {
			l.ended(t, err)
			return false
		}
		t.out = t.out[n:]
	}
	return true
}

// take reads a piece of an answer.
func (l *loader) take(t *talker, data []byte) {
	if !t.busy {
		l.fail(fmt.Errorf("an answer that nobody asked for: %.60q", data))
		l.drop(t)
		return
	}
	if t.left < 0 {
		if l.sockets && !t.opening {
			t.left = echoed
		} else if data = t.readHead(data); t.left < 0 {
			return
		}
	}
	if t.left -= int64(len(data)); t.left > 0 || t.untilEnd {
		return
	}
	l.done(t)
}

// readHead looks for the end of the head, and returns what follows it.
func (t *talker) readHead(data []byte) []byte {
	t.head = append(t.head, data...)
	end := bytes.Index(t.head, []byte("\r\n\r\n"))
	if end < 0 {
		return nil
	}
	head, rest := t.head[:end], t.head[end+4:]
	t.status, t.left, t.untilEnd = 0, 0, false
	if len(head) > 12 {
		t.status, _ = strconv.Atoi(string(head[9:12]))
	}
	if _, after, found := bytes.Cut(bytes.ToLower(head), []byte("\r\ncontent-length:")); found {
		value, _, _ := bytes.Cut(after, []byte("\r\n"))
		t.left, _ = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
	}
	return rest
}

// done notes an answer and goes on.
func (l *loader) done(t *talker) {
	if t.opening {
		t.opening = false
		if t.status != 101 {
			l.fail(fmt.Errorf("the WebSocket was answered with %d", t.status))
			l.drop(t)
			return
		}
		l.begin(t, time.Now())
		return
	}
	if !l.sockets && t.status != 200 {
		l.fail(fmt.Errorf("answered with %d: %.80q", t.status, t.head))
	} else {
		l.taken = append(l.taken, time.Since(t.due))
	}
	t.busy = false
	l.answers++
	now := time.Now()
	switch {
	case l.hold:
	case l.fresh:
		l.drop(t)
		if now.Before(l.until) {
			if err := l.open(); err != nil {
				l.fail(err)
			}
		}
	case l.rate > 0 && len(l.waiting) > 0:
		l.begin(t, l.pop())
	case l.rate > 0:
		l.idle = append(l.idle, t)
	case now.Before(l.until):
		l.begin(t, now)
	}
}

// ended notes that the other side has closed a connection, and replaces it.
func (l *loader) ended(t *talker, err error) {
	if t.busy {
		if err == nil {
			err = errors.New("closed without an answer")
		}
		l.fail(err)
	}
	l.drop(t)
	if time.Now().Before(l.until) && l.failed < 10_000 && !l.hold {
		if err := l.open(); err != nil {
			l.fail(err)
		}
	}
}

func (l *loader) drop(t *talker) {
	delete(l.conns, t.fd)
	l.idle = slices.DeleteFunc(l.idle, func(o *talker) bool { return o == t })
	_ = unix.Close(t.fd)
}

func (l *loader) fail(err error) {
	if l.failed++; l.first == "" {
		l.first = err.Error()
	}
}

func (l *loader) outcome() outcome {
	slices.Sort(l.taken)
	at := func(share float64) time.Duration {
		if len(l.taken) == 0 {
			return 0
		}
		return l.taken[int(share*float64(len(l.taken)-1))]
	}
	return outcome{
		Requests: len(l.taken), Failed: l.failed, Bytes: l.bytes + int64(len(l.taken)*l.send), Seconds: time.Since(l.began).Seconds(),
		P50: at(0.5), P99: at(0.99), P999: at(0.999), First: l.first,
	}
}
