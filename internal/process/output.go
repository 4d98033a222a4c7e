package process

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// smallBuffer is what a stream's buffer begins with; one that is filled grows to
// MaxLine, so that a thousand quiet instances cost little.
const smallBuffer = 4 << 10

// leftOver bounds what is still read from an output that was given up: what a
// pipe holds.
const leftOver = 64 << 10

// outputReader reads one stream of a process.
type outputReader struct {
	pipe  *os.File
	fd    int // of pipe, to ask about; it may be another file's when pipe is closed
	ended chan struct{}

	mu    sync.Mutex // held from the reading of bytes until they have been handed on
	lines lineSplitter
}

// standardFiles are the standard streams to be, at the child's side.
type standardFiles struct{ null, out, err *os.File }

// openOutput opens the child's standard streams, and readers for them if
// anybody wants the output.
func (p *Process) openOutput(spec Spec) (files standardFiles, err error) {
	if files.null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
		return files, err
	}
	if spec.Output == nil {
		files.out, files.err = files.null, files.null
		return files, nil
	}
	if files.out, err = p.openStream("stdout", spec); err != nil {
		return files, err
	}
	files.err, err = p.openStream("stderr", spec)
	return files, err
}

// emitter returns what takes the lines of a stream, and the pieces of those that are cut.
func (spec Spec) emitter(stream string) func(piece []byte, ended bool) {
	if spec.Mask == nil {
		return func(piece []byte, _ bool) { spec.Output(stream, piece) }
	}
	mask := spec.Mask()
	return func(piece []byte, ended bool) { spec.Output(stream, mask(piece, ended)) }
}

// openStream returns the child's end of a new stream. That end stays blocking,
// as programs expect of their standard streams; ours is for the poller.
func (p *Process) openStream(stream string, spec Spec) (*os.File, error) {
	r, w, err := pipe()
	if err != nil {
		return nil, err
	}
	if err := syscall.SetNonblock(r, true); err != nil {
		return nil, errors.Join(err, syscall.Close(r), syscall.Close(w))
	}
	p.output = append(p.output, &outputReader{
		pipe: os.NewFile(uintptr(r), stream), fd: r, ended: make(chan struct{}),
		lines: lineSplitter{emit: spec.emitter(stream)},
	})
	return os.NewFile(uintptr(w), stream), nil
}

func (f standardFiles) child() []uintptr {
	return []uintptr{f.null.Fd(), f.out.Fd(), f.err.Fd()}
}

// closeChild closes the server's copies of the child's ends.
func (f standardFiles) closeChild() {
	for _, file := range []*os.File{f.null, f.out, f.err} {
		closeQuietly(file) // closed twice without harm where streams share a file
	}
}

// closeOutput closes the readers of a process that was not started.
func (p *Process) closeOutput() {
	for _, o := range p.output {
		closeQuietly(o.pipe)
	}
}

// closeQuietly closes a pipe or device, of which closing tells nothing. f may
// be nil.
func closeQuietly(f *os.File) {
	if err := f.Close(); err != nil {
		return
	}
}

func (p *Process) readOutput() {
	for _, o := range p.output {
		go o.run()
	}
}

// finishOutput returns when all output has been read. Whoever holds it open for
// longer than grace is not waited for; what it has written by then is read.
func (p *Process) finishOutput(grace time.Duration) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	for _, o := range p.output {
		select {
		case <-o.ended:
			continue
		case <-timer.C:
		}
		for _, late := range p.output {
			late.giveUp()
		}
		break
	}
	for _, o := range p.output {
		<-o.ended
	}
}

// giveUp makes run end. A reader that has ended, or a file that cannot have a
// deadline, is left alone.
func (o *outputReader) giveUp() {
	if err := o.pipe.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return
	}
}

// run reads until everybody has closed the stream, or giveUp.
func (o *outputReader) run() {
	defer close(o.ended)
	defer closeQuietly(o.pipe)
	conn, err := o.pipe.SyscallConn()
	for err == nil {
		err = o.await(conn)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		o.takeRest()
	}
	o.flush()
}

// await waits until there is something to read, and takes it. The error is
// io.EOF when there will be nothing more.
func (o *outputReader) await(conn syscall.RawConn) error {
	var n int
	var err error
	waited := conn.Read(func(fd uintptr) bool {
		n, err = o.take(int(fd))
		return !errors.Is(err, syscall.EAGAIN)
	})
	switch {
	case waited != nil:
		return waited
	case err == nil && n == 0:
		return io.EOF
	}
	return err
}

// take reads once, without waiting, and hands on the lines that are complete.
func (o *outputReader) take(fd int) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lines.step(func(p []byte) (n int, err error) {
		for {
			n, err = syscall.Read(fd, p)
			if !errors.Is(err, syscall.EINTR) {
				return max(n, 0), err
			}
		}
	})
}

// takeRest reads what is in the pipe, without waiting for more.
func (o *outputReader) takeRest() {
	conn, err := o.pipe.SyscallConn()
	if err != nil {
		return
	}
	// Control and not Read: that would wait for the reader that waits already.
	err = conn.Control(func(fd uintptr) {
		for left := leftOver; left > 0; {
			n, err := o.take(int(fd))
			if n == 0 || err != nil {
				return
			}
			left -= n
		}
	})
	if err != nil {
		return // the stream has ended, and was read to its end
	}
}

// flush hands on a line that has no end yet.
func (o *outputReader) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines.flush()
}

// SettleOutput returns when everything that the process had printed when it was
// called has been handed to Spec.Output, also a last line without its end. Of a
// process that prints without a pause it takes what a pipe holds.
func (p *Process) SettleOutput() {
	some := p.hasOutput()
	for _, o := range p.output {
		if some {
			o.takeRest()
		}
		o.flush() // waits for a line that is just being handed on
	}
}

// hasOutput reports whether a pipe may hold something. Most of the time none
// does, and asking about all of them costs as much as one read.
func (p *Process) hasOutput() bool {
	var room [2]unix.PollFd
	asked := room[:0]
	for _, o := range p.output {
		asked = append(asked, unix.PollFd{Fd: int32(o.fd), Events: unix.POLLIN})
	}
	n, err := unix.Poll(asked, 0)
	return n > 0 || err != nil
}

// lineSplitter cuts a stream into lines of at most MaxLine bytes.
type lineSplitter struct {
	// emit takes a line; ended is false when its end has not come yet.
	emit func(line []byte, ended bool)
	buf  []byte
	n    int // buf[:n] is a line without its end so far
	// full is set after a piece of MaxLine bytes: a line end right after it
	// ends that piece, and is no empty line.
	full bool
}

// step reads once and handles what came.
func (s *lineSplitter) step(read func([]byte) (int, error)) (int, error) {
	if s.buf == nil {
		s.buf = make([]byte, smallBuffer)
	}
	n, err := read(s.buf[s.n:])
	s.take(n)
	return n, err
}

// take handles n new bytes at the end of the buffer.
func (s *lineSplitter) take(n int) {
	end, start := s.n+n, 0
	if n > 0 && s.full {
		if s.full = false; s.buf[0] == '\n' {
			start = 1
		}
	}
	for seen := max(start, s.n); ; seen = start {
		i := bytes.IndexByte(s.buf[seen:end], '\n')
		if i < 0 {
			break
		}
		s.emit(s.buf[start:seen+i], true)
		start = seen + i + 1
	}
	filled := end == len(s.buf)
	s.n = end - start
	if start > 0 {
		copy(s.buf, s.buf[start:end])
	}
	if filled && len(s.buf) < MaxLine {
		s.buf = append(make([]byte, 0, MaxLine), s.buf[:s.n]...)[:MaxLine]
	}
	if s.n == len(s.buf) {
		s.flush()
		s.full = true
	}
}

// flush emits an unfinished line.
func (s *lineSplitter) flush() {
	if s.n > 0 {
		s.emit(s.buf[:s.n], false)
		s.n = 0
	}
}
