package runtimeapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"teal"
)

// loopback is where the endpoints are.
const loopback = "127.0.0.1"

// maxConns bounds the connections of one instance. A runtime needs one; one that
// opens a connection per request, as a shell script does, two.
const maxConns = 32

// Event is one invocation as the runtime gets it.
type Event struct {
	RequestID       string
	Deadline        time.Time
	ARN             string
	TraceID         string // "" for none, as below
	ClientContext   string
	CognitoIdentity string
	Payload         []byte
	Flow            *Flow // gets a streamed answer; nil: it is collected
}

// Check returns an error with teal.CodeInvalidInput if a field would break out
// of its header line.
func (ev *Event) Check() error {
	for _, value := range []string{ev.RequestID, ev.ARN, ev.TraceID, ev.ClientContext, ev.CognitoIdentity} {
		for i := range len(value) {
			if value[i] < ' ' || value[i] == 0x7f {
				return teal.Errorf(teal.CodeInvalidInput, "the invocation's request id, trace id or client context contains a control character")
			}
		}
	}
	return nil
}

// Reply is what the runtime said about one invocation.
type Reply struct {
	RequestID string
	Payload   []byte
	MediaType string // Content-Type as the runtime set it
	// Failed means that Payload is an error document, and ErrorType its type
	// where the runtime gave one outside the document.
	Failed    bool
	ErrorType string
	TooLarge  bool // the answer was over teal.MaxPayload, or MaxStreamed, and is not here
	Streamed  bool // the answer went through the event's Flow
}

// InitFailure is what the runtime posted about an initialisation that failed.
type InitFailure struct {
	ErrorType string
	Document  []byte
}

// Owner is told what the runtime does. Calls come from the endpoint's
// goroutines, never with the endpoint's lock held; they must not block for long.
type Owner interface {
	// Idle: the runtime waits for its next invocation; Deliver may be called,
	// also from within.
	Idle()
	// Lost: the connection that waited is gone; Deliver fails until Idle.
	Lost()
	// Replied: the invocation's outcome is here. The runtime has not been told
	// yet that it was taken.
	Replied(Reply)
	// Acknowledged: the runtime has been told. The time until its next request
	// is free for what need not be done in the caller's way.
	Acknowledged()
	// InitFailed: the runtime could not initialise and is about to exit.
	InitFailed(InitFailure)
}

// ErrNotIdle means that no runtime waits for an invocation. Nothing was sent.
var ErrNotIdle = errors.New("the runtime does not wait for an invocation")

// ErrNotDelivered means that the runtime cannot have received the whole event:
// it is safe to hand it to another instance.
var ErrNotDelivered = errors.New("the event could not be delivered")

// phase is where the runtime is in the protocol.
type phase int

const (
	phaseInit     phase = iota // before the first next
	phaseIdle                  // a next waits
	phaseBusy                  // an invocation is with the runtime
	phaseReplied               // its outcome is here; the next next has not come
	phaseInitFail              // an init error was posted
	phaseEnded                 // Abandon was called
)

func (p phase) String() string {
	return [...]string{"Initializing", "Ready", "Running", "Responded", "InitError", "Ended"}[p]
}

// Endpoint is the Runtime API of one instance.
type Endpoint struct {
	owner    Owner
	logger   *slog.Logger
	listener net.Listener
	wg       sync.WaitGroup

	mu      sync.Mutex
	phase   phase
	waiting *conn  // the connection whose next has no answer yet
	current string // the invocation that the runtime has
	last    string // the one before
	flow    *Flow  // for its answer, until a connection has taken it
	conns   map[*conn]struct{}
	closed  bool

	stopping chan struct{} // closed when nothing more is accepted
	ended    chan struct{} // closed when the connections are
	end      sync.Once
}

// Listen opens a loopback port for one instance. Nothing is served before
// Serve.
func Listen(owner Owner, logger *slog.Logger) (*Endpoint, error) {
	listener, err := net.Listen("tcp4", loopback+":0")
	if err != nil {
		return nil, fmt.Errorf("open a port for the Runtime API: %w", err)
	}
	return &Endpoint{
		owner: owner, logger: logger, listener: listener, conns: map[*conn]struct{}{},
		stopping: make(chan struct{}), ended: make(chan struct{}),
	}, nil
}

// Addr returns host:port, as AWS_LAMBDA_RUNTIME_API wants it.
func (e *Endpoint) Addr() string { return e.listener.Addr().String() }

// Serve accepts the runtime's connections until Close or Shutdown, and returns
// when the last of them has ended. A connection that admits does not know as the
// instance's own is closed: who calls here gets users' requests and answers them.
func (e *Endpoint) Serve(admits func(net.Conn) bool) {
	defer e.wg.Wait()
	for {
		nc, err := e.listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				e.logger.Error("the Runtime API stopped accepting", "addr", e.Addr(), "error", err)
			}
			return
		}
		if !admits(nc) { // before it takes one of the places, which are few
			_ = nc.Close()
			continue
		}
		if c := e.admit(nc); c != nil {
			go c.serve()
		}
	}
}

// admit registers a connection, or closes it and returns nil when it is one too
// many.
func (e *Endpoint) admit(nc net.Conn) *conn {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || len(e.conns) >= maxConns {
		_ = nc.Close() // nothing was said on it
		return nil
	}
	c := newConn(e, nc)
	e.conns[c] = struct{}{}
	e.wg.Add(1)
	return c
}

func (e *Endpoint) forget(c *conn) {
	e.mu.Lock()
	delete(e.conns, c)
	e.mu.Unlock()
	e.wg.Done()
}

// Deliver hands ev, which must have passed Check, to the runtime that waits, on
// the caller's goroutine. It blocks as long as the runtime does not read; Close
// ends that. The errors are ErrNotIdle and ErrNotDelivered: the runtime has not
// seen the event.
func (e *Endpoint) Deliver(ev *Event) error {
	e.mu.Lock()
	if e.phase != phaseIdle {
		e.mu.Unlock()
		return ErrNotIdle
	}
	c := e.waiting
	e.waiting, e.phase = nil, phaseBusy
	e.current, e.flow = ev.RequestID, ev.Flow
	// Taken before the endpoint is let go: an answer to a runtime that answers
	// before it has read everything must queue behind the event.
	c.writing.Lock()
	e.mu.Unlock()
	defer c.writing.Unlock()
	if err := c.writeEvent(ev); err != nil {
		c.close()
		return fmt.Errorf("%w: %w", ErrNotDelivered, err)
	}
	return nil
}

// Abandon ends the protocol: every further request of the runtime is refused.
// It reports whether an invocation was under way, whose outcome is then the
// caller's to decide: Replied will not be called for it any more.
func (e *Endpoint) Abandon() (underWay bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	underWay = e.current != ""
	e.phase, e.waiting, e.current, e.flow = phaseEnded, nil, "", nil
	return underWay
}

// Close ends every connection now.
func (e *Endpoint) Close() {
	defer e.end.Do(func() { close(e.ended) })
	for _, c := range e.stopAccepting() {
		c.close()
	}
}

// Shutdown lets what a process sent before it ended come in: it waits until the
// connections have ended by themselves, or ctx is done, and closes the rest.
func (e *Endpoint) Shutdown(ctx context.Context) {
	e.stopAccepting()
	ended := make(chan struct{})
	go func() {
		e.wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		e.Close()
		<-ended
	}
}

func (e *Endpoint) stopAccepting() []*conn {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.closed = true
		close(e.stopping)
		_ = e.listener.Close() // a listener that cannot be closed is closed already
	}
	open := make([]*conn, 0, len(e.conns))
	for c := range e.conns {
		open = append(open, c)
	}
	return open
}

// refusal is an answer that says no.
type refusal struct {
	status    int
	errorType string
	message   string
}

func (e *Endpoint) refuseTransition(to string) *refusal {
	return &refusal{403, typeInvalidTransition, "Transition from " + e.phase.String() + " to " + to + " is not allowed"}
}

func refuseID() *refusal { return &refusal{400, typeInvalidRequestID, "Invalid request ID"} }

// next registers c as the connection that waits for an invocation.
func (e *Endpoint) next(c *conn) *refusal {
	e.mu.Lock()
	switch e.phase {
	case phaseInit, phaseReplied:
	case phaseIdle:
		// A runtime that lost its connection asks again, perhaps before the
		// loss was seen here: the newest one is the one that it listens on. It
		// cannot be anybody else's, see Serve.
		e.waiting.close()
	default:
		defer e.mu.Unlock()
		return e.refuseTransition("Ready")
	}
	again := e.phase == phaseIdle
	e.phase, e.waiting = phaseIdle, c
	e.mu.Unlock()
	if !again {
		e.owner.Idle()
	}
	return nil
}

// withdraw takes back c's next. It reports whether there was one.
func (e *Endpoint) withdraw(c *conn) bool {
	e.mu.Lock()
	waited := e.waiting == c
	if waited {
		// The phase stays idle: the runtime may ask again.
		e.waiting, e.phase = nil, phaseReplied
	}
	e.mu.Unlock()
	if waited {
		e.owner.Lost()
	}
	return waited
}

// expects returns id if it is the invocation that the runtime has, and refuses
// it otherwise.
func (e *Endpoint) expects(id []byte) (current string, no *refusal) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.current != "" && string(id) == e.current:
		return e.current, nil
	case e.last != "" && string(id) == e.last:
		return "", e.refuseTransition("Responded")
	default:
		return "", refuseID()
	}
}

// takeFlow returns where the streamed answer of an invocation goes, once: a
// second answer must not continue the first.
func (e *Endpoint) takeFlow(current string) *Flow {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current != current {
		return nil
	}
	flow := e.flow
	e.flow = nil
	return flow
}

// reply ends the invocation that r is about, if it has not ended meanwhile: of
// two outcomes only the first counts.
func (e *Endpoint) reply(r Reply) *refusal {
	e.mu.Lock()
	if r.RequestID != e.current {
		defer e.mu.Unlock()
		if r.RequestID == e.last {
			return e.refuseTransition("Responded")
		}
		return refuseID()
	}
	e.last, e.current, e.flow = e.current, "", nil
	e.mu.Unlock()
	e.owner.Replied(r)
	// Only now may a next come: the owner hears Replied before Idle, also from
	// a runtime that does not wait for the answer to its outcome.
	e.mu.Lock()
	if e.phase == phaseBusy {
		e.phase = phaseReplied
	}
	e.mu.Unlock()
	return nil
}

func (e *Endpoint) initFailed(f InitFailure) *refusal {
	e.mu.Lock()
	if e.phase != phaseInit {
		defer e.mu.Unlock()
		return e.refuseTransition("InitError")
	}
	e.phase = phaseInitFail
	e.mu.Unlock()
	e.owner.InitFailed(f)
	return nil
}
