package process

import (
	"bytes"
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// smallBuffer is what a stream's buffer begins with; one that is filled grows to
// MaxLine, so that a thousand quiet instances cost little.
const smallBuffer = 4 << 10

// leftOver bounds what is still read from an output that was given up: what a
// pipe holds.
const leftOver = 64 << 10

// outputReader reads one stream of a process.
type outputReader struct {
	stream string
	pipe   *os.File
	emit   func(stream string, line []byte)
	ended  chan struct{}
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
	if files.out, err = p.openStream("stdout", spec.Output); err != nil {
		return files, err
	}
	files.err, err = p.openStream("stderr", spec.Output)
	return files, err
}

// openStream returns the child's end of a new stream. That end stays blocking,
// as programs expect of their standard streams; ours is for the poller.
func (p *Process) openStream(stream string, emit func(string, []byte)) (*os.File, error) {
	r, w, err := pipe()
	if err != nil {
		return nil, err
	}
	if err := syscall.SetNonblock(r, true); err != nil {
		return nil, errors.Join(err, syscall.Close(r), syscall.Close(w))
	}
	p.output = append(p.output, &outputReader{stream, os.NewFile(uintptr(r), stream), emit, make(chan struct{})})
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
	lines := lineSplitter{emit: func(line []byte) { o.emit(o.stream, line) }}
	err := lines.readFrom(o.pipe)
	if errors.Is(err, os.ErrDeadlineExceeded) && o.pipe.SetReadDeadline(time.Time{}) == nil {
		o.readLeftOver(&lines)
	}
	lines.flush()
}

// readLeftOver reads what is in the pipe, without waiting for more.
func (o *outputReader) readLeftOver(lines *lineSplitter) {
	conn, err := o.pipe.SyscallConn()
	if err != nil {
		return
	}
	now := readerFunc(func(p []byte) (n int, err error) {
		err = errors.Join(conn.Read(func(fd uintptr) bool {
			n, err = syscall.Read(int(fd), p)
			return true
		}), err)
		if n <= 0 {
			return 0, io.EOF
		}
		return n, err
	})
	if err := lines.readFrom(io.LimitReader(now, leftOver)); err != nil {
		return
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// lineSplitter cuts a stream into lines of at most MaxLine bytes.
type lineSplitter struct {
	emit func(line []byte)
	buf  []byte
	n    int // buf[:n] is a line without its end so far
	// full is set after a piece of MaxLine bytes: a line end right after it
	// ends that piece, and is no empty line.
	full bool
}

// readFrom reads r to its end, which is no error.
func (s *lineSplitter) readFrom(r io.Reader) error {
	if s.buf == nil {
		s.buf = make([]byte, smallBuffer)
	}
	for {
		n, err := r.Read(s.buf[s.n:])
		s.take(n)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
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
		s.emit(s.buf[start : seen+i])
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
		s.emit(s.buf[:s.n])
		s.n = 0
	}
}
