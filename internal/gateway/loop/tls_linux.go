package loop

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

	"teal/internal/gateway/exchange"
	"teal/internal/http1"
)

// tlsState is the TLS of a client's connection: it stands between the socket and
// what the loop reads and writes. The handshake blocks, on a goroutine of its
// own; after it the connection belongs to a loop.
type tlsState struct {
	conn  *tls.Conn
	raw   *tlsConn
	http2 bool // is what has been agreed on
}

// tlsConn is what a tls.Conn runs on: a connection that blocks, during the handshake
// and when net/http has the client; else the socket of a loop, which does not.
type tlsConn struct {
	BlockingConn         // nil while a loop has the socket
	socket       *socket // nil while none has
	loop         *loop
	dry          bool   // the socket has nothing more to read, as far as is known
	out          []byte // [sent:] are records that the kernel has not taken yet
	sent         int
	taken        int64 // bytes that the kernel has taken
}

// NetConn returns what it runs on while no loop has the socket.
func (w *tlsConn) NetConn() net.Conn { return w.BlockingConn }

// Read implements net.Conn. On a loop it fails with os.ErrDeadlineExceeded where
// it would have to wait: crypto/tls keeps what it has of a record then, and goes
// on with it when it is asked again.
func (w *tlsConn) Read(p []byte) (int, error) {
	if w.socket == nil {
		return w.BlockingConn.Read(p)
	}
	if w.dry {
		return 0, os.ErrDeadlineExceeded
	}
	n, errno := readSocket(w.socket.fd, p)
	switch {
	case errno == unix.EAGAIN:
		w.dry = true
		return 0, os.ErrDeadlineExceeded
	case errno != 0:
		return 0, errno
	case n == 0:
		return 0, io.EOF
	}
	w.dry = n < len(p) && !w.socket.hungUp
	return n, nil
}

// Write implements net.Conn. On a loop it keeps what the kernel does not take:
// crypto/tls can not send a part of a record again.
func (w *tlsConn) Write(p []byte) (int, error) {
	if w.socket == nil {
		if err := w.drain(); err != nil {
			return 0, err
		}
		return w.BlockingConn.Write(p)
	}
	n := 0
	if w.isEmpty() && w.socket.writable {
		var errno syscall.Errno
		if n, errno = writeSocket(w.socket.fd, p, nil); errno == unix.EAGAIN {
			n, w.socket.writable = 0, false
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
func (w *tlsConn) SetWriteDeadline(t time.Time) error {
	if w.socket == nil {
		return w.BlockingConn.SetWriteDeadline(t)
	}
	return nil
}

// keep is bounded by what is encrypted at a time, and by fillTLS.
func (w *tlsConn) keep(p []byte) {
	if cap(w.out)-len(w.out) < len(p) {
		next := append(w.loop.buffers.get(len(w.out) - w.sent + len(p))[:0], w.out[w.sent:]...)
		w.giveBack()
		w.out, w.sent = next, 0
	}
	w.out = append(w.out, p...)
}

func (w *tlsConn) isEmpty() bool { return w.out == nil }

func (w *tlsConn) giveBack() {
	if w.out != nil {
		w.loop.buffers.put(w.out)
	}
	w.out, w.sent = nil, 0
}

// drain writes, blocking, what the loop could not.
func (w *tlsConn) drain() error {
	if w.out == nil {
		return nil
	}
	_, err := w.BlockingConn.Write(w.out[w.sent:])
	w.out = nil
	return err
}

// flushTLS writes what is kept. It reports whether more may be encrypted.
func (s *socket) flushTLS() bool {
	w := s.tls.raw
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

// fillTLS is fill over TLS.
func (s *socket) fillTLS(l *loop, want int64) bool {
	s.makeRoom(l, want)
	room := s.in[s.w:]
	n, err := s.tls.conn.Read(room)
	s.flushTLS() // TLS may have had to answer
	if w := s.tls.raw; len(w.out)-w.sent > mostKept {
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

// sendTLS is send over TLS.
func (s *socket) sendTLS(l *loop, piece []byte) (written int) {
	for s.flushTLS() {
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

func (s *socket) encrypt(p []byte) int {
	n, err := s.tls.conn.Write(p[:min(len(p), encrypted)])
	if err != nil {
		s.failure = unix.EPIPE
	}
	return n
}

// progress changes whenever the peer has made room for more.
func (s *socket) progress() int64 {
	switch {
	case s.stream != nil:
		return s.stream.Sent()
	case s.tls != nil:
		return s.tls.raw.taken
	}
	return int64(s.sent)
}

// closeNotify says that nothing more comes, so that what came is known to be all.
func (s *socket) closeNotify() {
	if s.tls != nil && s.failure == 0 {
		_ = s.tls.conn.CloseWrite() // a connection that is gone needs no telling
	}
}

// handshake makes the handshake with a client that has been accepted, then gives it
// to a loop, or to net/http if it speaks HTTP/2.
func (a *loops) handshake(fd int, peer netip.AddrPort) {
	secure, plain, err := a.negotiate(fd)
	if err != nil {
		a.open.Add(-1)
		a.policy.Logger.Debug("no TLS with a client", "peer", peer, "error", err)
		return
	}
	w := secure.NetConn().(*tlsConn)
	agreed := secure.ConnectionState().NegotiatedProtocol == "h2"
	if agreed && !a.at.HTTP2 {
		plain.gone = a.countOut
		if int(a.open.Load()) > a.policy.Limits.Connections {
			_ = secure.Close() // one too many
			return
		}
		a.handoff.Give(secure, nil, nil)
		return
	}
	own, err := duplicate(plain.Conn)
	_ = w.BlockingConn.Close() // the duplicate is what counts
	w.BlockingConn = nil
	if err != nil {
		a.open.Add(-1)
		a.policy.Logger.Warn("a TLS connection could not be given to an event loop", "error", err)
		return
	}
	a.assign(nil, own, peer, &tlsState{conn: secure, raw: w, http2: agreed})
}

// negotiate returns the connection when its handshake is over, and what is below it.
func (a *loops) negotiate(fd int) (secure *tls.Conn, below *countedConn, err error) {
	limits := &a.policy.Limits
	plain, err := connectionOf(fd)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if v := recover(); v != nil {
			a.policy.Logger.Error("a handshake caused a panic", "panic", v, "stack", string(debug.Stack()))
			secure, below, err = nil, nil, errors.Join(fmt.Errorf("panic: %v", v), plain.Close())
		}
	}()
	below = &countedConn{Conn: plain}
	w := &tlsConn{BlockingConn: a.handoff.Blocking(below)}
	secure = tls.Server(w, a.at.TLS)
	ctx, cancel := context.WithTimeout(a.life, limits.Head)
	defer cancel()
	err = secure.HandshakeContext(ctx)
	if err == nil {
		return secure, below, nil
	}
	if misled := (tls.RecordHeaderError{}); errors.As(err, &misled) && misled.Conn != nil && looksLikeHTTP(misled.RecordHeader) {
		_, _ = misled.Conn.Write(plainAnswer()) // a client that does not read it loses nothing
		w.Spend()                               // so that it is not reset before the client has read it
	}
	return nil, nil, errors.Join(err, w.BlockingConn.Close())
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
	answer := exchange.NotSecure()
	w := &headWriter{out: http1.AppendStatusLine(nil, answer.Status, nil)}
	answer.WriteHead(w)
	out := append(http1.AppendLength(w.out, int64(len(answer.Body))), "Connection: close\r\n\r\n"...)
	return append(out, answer.Body...)
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
func (s *tlsState) blocking(c net.Conn, to Handoff) net.Conn {
	w := s.raw
	if w.out != nil {
		w.out = append([]byte(nil), w.out[w.sent:]...) // the buffer is the loop's
		w.sent = 0
	}
	w.BlockingConn, w.socket, w.loop = to.Blocking(c), nil, nil
	return s.conn
}
