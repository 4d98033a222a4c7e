package gateway

import (
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"teal"
)

// Limits bounds every phase of a request. A zero field takes its default.
type Limits struct {
	Head         time.Duration // for a request's head, from its first byte; default 10 s
	BodyStall    time.Duration // between two reads of a request's body; default 30 s
	FunctionBody time.Duration // for the whole body of a request to a function; default 60 s
	Connect      time.Duration // for a connection to an instance, with its TLS handshake; default 5 s
	Continue     time.Duration // that an instance may take to answer Expect: 100-continue; default 1 s
	FirstByte    time.Duration // between the end of a request and the head of the instance's response; default 60 s
	WriteStall   time.Duration // that a client may take to accept one write; default 60 s
	KeepAlive    time.Duration // between two requests on a client's connection; default 75 s
	// InstanceStall is how long an instance may be silent in the middle of an
	// answer, or not take more of a request; default 5 min.
	InstanceStall time.Duration
	// BackendIdle is how long an unused connection to an instance is kept. It
	// must be shorter than the servers behind keep it, or requests are sent into
	// connections that are just being closed; Node's server, the shortest of the
	// common ones, closes after 5 s. Default 4 s.
	BackendIdle time.Duration
	Ping        time.Duration // of silence on an HTTP/2 connection before it is asked, and for its answer; default 30 s
	// ShutdownGrace is what requests in flight get to finish when the server
	// stops; default 30 s.
	ShutdownGrace time.Duration
	Streams       int        // requests at once on one HTTP/2 connection; default 250
	HeaderBytes   int        // of a request's head, and of a response's; default 64 KiB
	HeaderFields  int        // in a head; default 200
	BodyBytes     teal.Bytes // of a request's body to a service, unless it is a gRPC call's; default 1 GiB
	FunctionBytes teal.Bytes // of a request's body and of the event made of it; default teal.MaxPayload
	// FunctionBodies is what the bodies of all requests to functions may hold
	// together; each costs several times its size until it is answered. More
	// large ones get 503. Default 64 MiB.
	FunctionBodies teal.Bytes

	// What is more than these is answered with 503 and Retry-After.
	Connections      int           // of clients, on one listener; default 32 768
	InFlight         int           // requests of one version of an app; default 10 000
	InstanceRequests int           // that one instance has at a time; default 1 024
	InstanceQueue    int           // that wait for one instance; default 10 000
	Queue            time.Duration // that one of them waits at most; default 5 s
}

// WithDefaults returns the limits with the default of every field that is zero.
func (l Limits) WithDefaults() Limits {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&l.Head, 10 * time.Second}, {&l.BodyStall, 30 * time.Second}, {&l.FunctionBody, 60 * time.Second},
		{&l.Connect, 5 * time.Second}, {&l.Continue, time.Second}, {&l.FirstByte, 60 * time.Second},
		{&l.WriteStall, 60 * time.Second}, {&l.KeepAlive, 75 * time.Second}, {&l.BackendIdle, 4 * time.Second},
		{&l.Ping, 30 * time.Second}, {&l.ShutdownGrace, 30 * time.Second}, {&l.InstanceStall, 5 * time.Minute},
		{&l.Queue, 5 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	for _, n := range []struct {
		field *int
		value int
	}{
		{&l.Streams, 250}, {&l.HeaderBytes, 64 << 10}, {&l.HeaderFields, 200},
		{&l.Connections, 32 << 10}, {&l.InFlight, 10_000}, {&l.InstanceRequests, 1024}, {&l.InstanceQueue, 10_000},
	} {
		if *n.field == 0 {
			*n.field = n.value
		}
	}
	if l.BodyBytes == 0 {
		l.BodyBytes = teal.GiB
	}
	if l.FunctionBytes == 0 {
		l.FunctionBytes = teal.MaxPayload
	}
	if l.FunctionBodies == 0 {
		l.FunctionBodies = 64 * teal.MiB
	}
	return l
}

// SetLimit sets a limit by its name as operators write it, which is that of the
// field: body-stall for BodyStall. The error, with teal.CodeInvalidInput, says
// what the value must look like, or which names there are. docs/limits.md lists
// them all.
func (l *Limits) SetLimit(name, value string) error {
	fields := reflect.ValueOf(l).Elem()
	for i := range fields.NumField() {
		if limitName(fields.Type().Field(i).Name) == name {
			return setField(fields.Field(i), name, value)
		}
	}
	return teal.Errorf(teal.CodeInvalidInput, "there is no limit %q; there are %s", name, strings.Join(LimitNames(), ", "))
}

// LimitNames returns the names of all limits.
func LimitNames() []string {
	var names []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Limits]()) {
		names = append(names, limitName(field.Name))
	}
	return names
}

// limitName returns BodyStall as body-stall.
func limitName(field string) string {
	var b strings.Builder
	for i, r := range field {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// setField reads a value that is more than nothing: zero would mean the default.
func setField(field reflect.Value, name, value string) error {
	switch limit := field.Addr().Interface().(type) {
	case *time.Duration:
		d, err := teal.ParseDuration(value)
		if err != nil || d <= 0 {
			return teal.Errorf(teal.CodeInvalidInput, "the limit %s is %q; write a duration such as 500ms, 30s or 5m", name, value)
		}
		*limit = d
	case *teal.Bytes:
		if err := limit.UnmarshalText([]byte(value)); err != nil || *limit <= 0 {
			return teal.Errorf(teal.CodeInvalidInput, "the limit %s is %q; write a size such as 64KiB or 6MiB", name, value)
		}
	case *int:
		n, err := strconv.Atoi(value)
		if size := teal.Bytes(0); err != nil && strings.HasSuffix(name, "-bytes") {
			err = size.UnmarshalText([]byte(value))
			n = int(size)
		}
		if err != nil || n <= 0 {
			return teal.Errorf(teal.CodeInvalidInput, "the limit %s is %q; write a whole number above 0", name, value)
		}
		*limit = n
	}
	return nil
}
