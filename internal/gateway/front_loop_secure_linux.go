package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"teal"
	"teal/internal/http1"
)

// secret is the TLS of a client's connection: it stands between the socket and
// what the loop reads and writes. The handshake blocks, on a goroutine of its
// own; after it the connection belongs to a loop.
type secret struct {
	conn *tls.Conn
	wire *wire
}

// wire is what a tls.Conn runs on: a connection that blocks, during the handshake
// and when net/http has the client; else the socket of a loop, which does not.
type wire struct {
	*conn       // nil while a loop has the socket
	side  *side // nil while none has
	loop  *loop
	dry   bool   // the socket has nothing more to read, as far as is known
	out   []byte // [sent:] are records that the kernel has not taken yet
	sent  int
	taken int64 // bytes that the kernel has taken
}

// Read implements net.Conn. On a loop it fails with os.ErrDeadlineExceeded where
// it would have to wait: crypto/tls keeps what it has of a record then, and goes
// on with it when it is asked again.
func (w *wire) Read(p []byte) (int, error) {
	if w.side == nil {
		return w.conn.Read(p)
	}
	if w.dry {
		return 0, os.ErrDeadlineExceeded
	}
	n, errno := readSocket(w.side.fd, p)
	switch {
	case errno == unix.EAGAIN:
		w.dry = true
		return 0, os.ErrDeadlineExceeded
	case errno != 0:
		return 0, errno
	case n == 0:
		return 0, io.EOF
	}
	w.dry = n < len(p) && !w.side.hungUp
	return n, nil
}

// Write implements net.Conn. On a loop it keeps what the kernel does not take:
// crypto/tls can not send a part of a record again.
func (w *wire) Write(p []byte) (int, error) {
	if w.side == nil {
		if err := w.drain(); err != nil {
			return 0, err
		}
		return w.conn.Write(p)
	}
	n := 0
	if w.isEmpty() && w.side.writable {
		var errno syscall.Errno
		if n, errno = writeSocket(w.side.fd, p, nil); errno == unix.EAGAIN {
			n, w.side.writable = 0, false
		} else if errno != 0 {
			return 0, errno
		}
		w.taken += int64(n)
	}
	if n < len(p) {
		w.keep(p[n:])
	}
	return len(p), nil
}

// SetWriteDeadline implements net.Conn. A loop has no use for it.
func (w *wire) SetWriteDeadline(t time.Time) error {
	if w.side == nil {
		return w.conn.SetWriteDeadline(t)
	}
	return nil
}

// keep is bounded by what is encrypted at a time, and by fillSecret.
func (w *wire) keep(p []byte) {
	if cap(w.out)-len(w.out) < len(p) {
		next := append(w.loop.buffers.get(len(w.out) - w.sent + len(p))[:0], w.out[w.sent:]...)
		w.giveBack()
		w.out, w.sent = next, 0
	}
	w.out = append(w.out, p...)
}

func (w *wire) isEmpty() bool { return w.out == nil }

func (w *wire) giveBack() {
	if w.out != nil {
		w.loop.buffers.put(w.out)
	}
	w.out, w.sent = nil, 0
}

// drain writes, blocking, what the loop could not.
func (w *wire) drain() error {
	if w.out == nil {
		return nil
	}
	_, err := w.conn.Write(w.out[w.sent:])
	w.out = nil
	return err
}

// flushSecret writes what is kept. It reports whether more may be encrypted.
func (s *side) flushSecret() bool {
	w := s.secret.wire
	for s.failure == 0 && s.writable && !w.isEmpty() {
		n, errno := writeSocket(s.fd, w.out[w.sent:], nil)
		switch {
		case errno == unix.EAGAIN:
			s.writable = false
		case errno != 0:
			s.failure = errno
		default:
			w.taken += int64(n)
			if w.sent += n; w.sent == len(w.out) {
				w.giveBack()
			}
		}
	}
	return s.failure == 0 && s.writable
}

// fillSecret is fill over TLS.
func (s *side) fillSecret(l *loop, want int64) bool {
	s.makeRoom(l, want)
	room := s.in[s.w:]
	n, err := s.secret.conn.Read(room)
	s.flushSecret() // TLS may have had to answer
	if w := s.secret.wire; len(w.out)-w.sent > mostKept {
		s.failure, s.ended = unix.ENOBUFS, true // a client that makes TLS answer and does not read
		return false
	}
	if n > 0 {
		s.w += n
		s.full = n == len(room)
		return true
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.readable = false
	case errors.Is(err, io.EOF):
		s.ended = true
	default:
		s.failure, s.ended = unix.EPROTO, true
	}
	return false
}

// encrypted is how much is encrypted before it has to be written; mostKept is
// what may wait after a read, with what TLS answers itself.
const (
	encrypted = 64 << 10
	mostKept  = 2 * encrypted
)

// sendSecret is send over TLS.
func (s *side) sendSecret(l *loop, piece []byte) (written int) {
	for s.flushSecret() {
		waiting := s.out[s.sent:]
		switch {
		case len(waiting) > 0:
			s.sent += s.encrypt(waiting)
		case written < len(piece):
			written += s.encrypt(piece[written:])
		default:
			s.release(l)
			return written
		}
	}
	s.release(l)
	return written
}

func (s *side) encrypt(p []byte) int {
	n, err := s.secret.conn.Write(p[:min(len(p), encrypted)])
	if err != nil {
		s.failure = unix.EPIPE
	}
	return n
}

// progress changes whenever the peer has made room for more.
func (s *side) progress() int64 {
	if s.secret != nil {
		return s.secret.wire.taken
	}
	return int64(s.sent)
}

// farewell says that nothing more comes, so that what came is known to be all.
func (s *side) farewell() {
	if s.secret != nil && s.failure == 0 {
		_ = s.secret.conn.CloseWrite() // a connection that is gone needs no telling
	}
}

// shake makes the handshake with a client that has been accepted, then gives it
// to a loop, or to net/http if it speaks HTTP/2.
func (a *loops) shake(fd int, peer netip.AddrPort) {
	secure, err := a.handshake(fd)
	if err != nil {
		a.open.Add(-1)
		a.server.logger.Debug("no TLS with a client", "peer", peer, "error", err)
		return
	}
	w := secure.NetConn().(*wire)
	if secure.ConnectionState().NegotiatedProtocol == "h2" {
		w.conn.Conn = a.counted(w.conn.Conn)
		if int(a.open.Load()) > a.server.limits.Connections {
			_ = secure.Close() // one too many
			return
		}
		a.handed.give(secure)
		return
	}
	own, err := duplicate(w.conn.Conn)
	_ = w.conn.Close() // the duplicate is what counts
	w.conn = nil
	if err != nil {
		a.open.Add(-1)
		a.server.logger.Warn("a TLS connection could not be given to an event loop", "error", err)
		return
	}
	a.place(nil, own, peer, &secret{conn: secure, wire: w})
}

// handshake returns the connection when its handshake is over.
func (a *loops) handshake(fd int) (secure *tls.Conn, err error) {
	limits := &a.server.limits
	plain, err := connectionOf(fd)
	if err != nil {
		return nil, err
	}
	defer func() {
		if v := recover(); v != nil {
			a.server.logger.Error("a handshake caused a panic", "panic", v, "stack", string(debug.Stack()))
			secure, err = nil, errors.Join(fmt.Errorf("panic: %v", v), plain.Close())
		}
	}()
	w := &wire{conn: &conn{Conn: plain, writeStall: limits.WriteStall}}
	secure = tls.Server(w, a.front.secure)
	ctx, cancel := context.WithTimeout(a.life, limits.Head)
	defer cancel()
	err = secure.HandshakeContext(ctx)
	if err == nil {
		return secure, nil
	}
	if misled := (tls.RecordHeaderError{}); errors.As(err, &misled) && misled.Conn != nil && looksLikeHTTP(misled.RecordHeader) {
		_, _ = misled.Conn.Write(plainAnswer()) // a client that does not read it loses nothing
		w.conn.spent.Store(true)                // so that it is not reset before the client has read it
	}
	return nil, errors.Join(err, w.conn.Close())
}

func looksLikeHTTP(header [5]byte) bool {
	switch string(header[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH":
		return true
	}
	return false
}

// plainAnswer is for clients that speak without TLS.
func plainAnswer() []byte {
	err := publicErrorf(teal.CodeInvalidInput, "this port speaks HTTPS only; ask with https://")
	status := statusOf(err)
	body := failure{err: err}.document(status)
	out := http1.AppendStatusLine(nil, status, nil)
	out = http1.AppendLine(out, "Content-Type", "application/problem+json")
	out = append(http1.AppendLength(out, int64(len(body))), "Connection: close\r\n\r\n"...)
	return append(out, body...)
}

// connectionOf makes a connection of a descriptor, which it takes.
func connectionOf(fd int) (net.Conn, error) {
	file := os.NewFile(uintptr(fd), "connection")
	c, err := net.FileConn(file)
	return c, errors.Join(err, file.Close()) // c has a descriptor of its own
}

// duplicate returns another descriptor of a connection.
func duplicate(c net.Conn) (int, error) {
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, err
	}
	own := -1
	var failure error
	err = raw.Control(func(fd uintptr) { own, failure = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	return own, errors.Join(err, failure)
}

// blocking returns the connection for net/http to go on with on c, once no loop
// has it.
func (s *secret) blocking(c net.Conn, limits *Limits) net.Conn {
	w := s.wire
	if w.out != nil {
		w.out = append([]byte(nil), w.out[w.sent:]...) // the buffer is the loop's
		w.sent = 0
	}
	w.conn, w.side, w.loop = &conn{Conn: c, writeStall: limits.WriteStall}, nil, nil
	return s.conn
}
