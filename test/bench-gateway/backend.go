//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// backendMain answers requests until the standard input ends: GET /N with N
// bytes, POST with two, a WebSocket with its own frames. It takes what a proxy
// sends on trust.
func backendMain() error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	defer runtime.KeepAlive(file) // its end would close the socket
	b := &backend{listener: int(file.Fd()), conns: map[int]*served{}, buffer: make([]byte, 256<<10), zeros: make([]byte, 10<<20)}
	if b.poll, err = newPoller(); err != nil {
		return err
	}
	if err := errors.Join(unix.SetNonblock(b.listener, true), b.poll.add(b.listener)); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	runtime.LockOSThread()
	for {
		events, err := b.poll.wait(time.Second)
		if err != nil {
			return err
		}
		for _, e := range events {
			if int(e.Fd) == b.listener {
				b.accept()
			} else if c := b.conns[int(e.Fd)]; c != nil && !b.serve(c) {
				delete(b.conns, c.fd)
				_ = unix.Close(c.fd)
			}
		}
	}
}

type backend struct {
	poll     *poller
	listener int
	conns    map[int]*served
	buffer   []byte
	zeros    []byte
}

// served is a proxy's connection.
type served struct {
	fd      int
	head    []byte // an incomplete head, or frame
	body    int64  // what is left of a request's body
	out     []byte // what is left to send …
	zeros   int64  // … and then so many zeros
	sockets bool
}

func (b *backend) accept() {
	for {
		fd, _, err := unix.Accept4(b.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		b.conns[fd] = &served{fd: fd}
		_ = b.poll.add(fd)
	}
}

// serve reports whether the connection goes on.
func (b *backend) serve(c *served) bool {
	if !b.flush(c) {
		return false
	}
	for {
		n, err := unix.Read(c.fd, b.buffer)
		if again(err) {
			return true
		}
		if err != nil || n == 0 {
			return false
		}
		c.take(b.buffer[:n])
		if !b.flush(c) {
			return false
		}
	}
}

func (c *served) take(data []byte) {
	skip := min(int64(len(data)), c.body)
	c.body -= skip
	data = data[skip:]
	if skip > 0 && c.body == 0 {
		c.answer(2)
	}
	for c.head = append(c.head, data...); len(c.head) > 0; {
		read := c.request
		if c.sockets {
			read = c.echo
		}
		used := read()
		if used == 0 {
			return
		}
		c.head = append(c.head[:0], c.head[used:]...)
	}
}

// request takes one request from what has been read; 0 when it is incomplete.
func (c *served) request() int {
	end := bytes.Index(c.head, []byte("\r\n\r\n"))
	if end < 0 {
		return 0
	}
	head := bytes.ToLower(c.head[:end])
	used := end + 4
	_, path, _ := bytes.Cut(head, []byte(" /"))
	path, _, _ = bytes.Cut(path, []byte(" "))
	if bytes.Contains(head, []byte("\r\nsec-websocket-key:")) { // the load's, so the proof is known
		c.sockets = true
		c.out = append(c.out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"...)
		return used
	}
	if _, after, found := bytes.Cut(head, []byte("\r\ncontent-length:")); found && bytes.HasPrefix(head, []byte("post")) {
		value, _, _ := bytes.Cut(after, []byte("\r\n"))
		length, _ := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
		here := min(length, int64(len(c.head)-used))
		if c.body = length - here; c.body == 0 {
			c.answer(2)
		}
		return used + int(here)
	}
	size, _ := strconv.ParseInt(string(path), 10, 64)
	c.answer(size)
	return used
}

func (c *served) answer(size int64) {
	c.out = fmt.Appendf(c.out, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", size)
	if c.zeros += size; size <= 4096 {
		c.out = append(c.out, make([]byte, size)...)
		c.zeros -= size
	}
}

// echo answers one WebSocket frame of the load's; 0 when it is incomplete.
func (c *served) echo() int {
	if len(c.head) < len(frame) {
		return 0
	}
	if c.head[0]&0x0f == 8 { // it is being closed
		return len(c.head)
	}
	payload := c.head[6:len(frame)]
	c.out = append(c.out, 0x82, 16)
	for i, x := range payload {
		c.out = append(c.out, x^c.head[2+i%4])
	}
	return len(frame)
}

func (b *backend) flush(c *served) bool {
	for len(c.out) > 0 || c.zeros > 0 {
		data := c.out
		if len(data) == 0 {
			data = b.zeros[:min(c.zeros, int64(len(b.zeros)))]
		}
		n, err := unix.Write(c.fd, data)
		if again(err) {
			return true
		}
		if err != nil {
			return false
		}
		if len(c.out) == 0 {
			c.zeros -= int64(n)
		} else if c.out = c.out[n:]; len(c.out) == 0 {
			c.out = nil
		}
	}
	return true
}
