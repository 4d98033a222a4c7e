package http1

import "bytes"

// Request is the head of a request. It is reused: Reset, then Parse until it is
// whole. All its byte slices point into what was parsed.
type Request struct {
	section
	framing
	Method []byte
	Host   []byte // of the target when that is absolute, else of the Host header
	Path   []byte // as sent; "*" of OPTIONS *
	Query  []byte // with its "?"; empty for none
	Minor  int    // of HTTP/1.x
	// ExpectContinue means that the client waits for 100 before it sends the
	// body.
	ExpectContinue bool

	begun  bool
	hosts  int
	method span
	target span
}

type span struct{ start, end int }

func (s span) of(data []byte) []byte { return data[s.start:s.end] }

// Reset makes r ready for the next head.
func (r *Request) Reset() {
	list := r.list
	*r = Request{}
	r.list = list[:0]
}

// Length returns the length of the body: 0 for none, or Chunked.
func (r *Request) Length() int64 {
	if r.chunked {
		return Chunked
	}
	return r.length
}

// RawQuery returns the query without its "?".
func (r *Request) RawQuery() []byte {
	if len(r.Query) == 0 {
		return nil
	}
	return r.Query[1:]
}

// HasLength reports whether Content-Length is there.
func (r *Request) HasLength() bool { return r.sized }

// Close reports whether the connection ends with this request.
func (r *Request) Close() bool { return r.close || r.Minor == 0 }

// Upgrades reports whether the client asks to go on in another protocol.
func (r *Request) Upgrades() bool { return r.upgrade && r.protocol && r.Minor == 1 }

// Begun reports whether anything of the request line has been read.
func (r *Request) Begun() bool { return r.begun }

// Parse reads the head at the beginning of data, which holds everything that has
// arrived of it: after an answer of 0 Parse is called again with the same bytes
// and more behind them, perhaps elsewhere in memory. It returns the length of
// the head when it is whole. The error is an *Error.
func (r *Request) Parse(data []byte, limits Limits) (int, error) {
	n, err := r.parse(data, limits)
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (r *Request) parse(data []byte, limits Limits) (int, *Error) {
	for {
		start, end, whole, err := r.line(data)
		switch {
		case err != nil:
			return 0, err
		case r.next > limits.Bytes || !whole && len(data) > limits.Bytes:
			return 0, errHeadTooLarge
		case !whole:
			return 0, nil
		case !r.begun && start == end && start == 0:
			continue // RFC 9112, 2.2: one empty line before a request is put up with
		case !r.begun:
			err = r.requestLine(data, start, end)
		case start == end:
			return r.next, r.finish(data[:r.next])
		case len(r.list) == limits.Fields:
			err = errTooManyFields
		default:
			err = r.field(data, start, end)
		}
		if err != nil {
			return 0, err
		}
	}
}

func (r *Request) requestLine(data []byte, start, end int) *Error {
	r.begun = true
	line := data[start:end]
	first := bytes.IndexByte(line, ' ')
	if first < 0 {
		return errRequestLine
	}
	second := bytes.IndexByte(line[first+1:], ' ')
	if second < 0 {
		return errRequestLine
	}
	second += first + 1
	if !isToken(line[:first]) {
		return errMethod
	}
	switch version := line[second+1:]; {
	case string(version) == "HTTP/1.1":
		r.Minor = 1
	case string(version) == "HTTP/1.0":
	case len(version) == 8 && string(version[:5]) == "HTTP/" && digit(version[5]) >= 0 && version[6] == '.' && digit(version[7]) >= 0:
		return errVersion
	default:
		return errRequestLine
	}
	r.method = span{start, start + first}
	r.target = span{start + first + 1, start + second}
	return checkTarget(r.method.of(data), r.target.of(data))
}

func checkTarget(method, target []byte) *Error {
	switch {
	case string(method) == "CONNECT":
		return errConnect
	case len(target) == 0 || !isAll(target, targetByte):
		return errTarget
	}
	return nil
}

func (r *Request) field(data []byte, start, end int) *Error {
	f, err := r.add(data, start, end)
	if err != nil || f.Kind == EndToEnd {
		return err
	}
	value := data[f.valueStart:f.valueStop]
	switch f.Kind {
	case Host:
		if r.hosts++; r.hosts > 1 {
			return errHostTwice
		}
		if !isHost(value) {
			return errHost
		}
	case Expect:
		if !EqualFold(value, "100-continue") {
			return errExpect
		}
		r.ExpectContinue = true
	default:
		return r.set(f.Kind, value)
	}
	return nil
}

// finish understands the head as a whole.
func (r *Request) finish(data []byte) *Error {
	r.data = data
	if err := r.check(r.Minor); err != nil {
		return err
	}
	if r.hosts == 0 && r.Minor > 0 {
		return errHostMissing
	}
	if r.Minor == 0 {
		r.ExpectContinue = false // RFC 9110, 10.1.1
	}
	if r.named {
		r.hideNamed()
	}
	return r.place(data)
}

// Moved tells r that the head is elsewhere in memory now, at the beginning of
// data.
func (r *Request) Moved(data []byte) {
	r.data = data[:len(r.data)]
	_ = r.place(r.data) // nil, as when it was parsed
}

// Target returns the request target as sent.
func (r *Request) Target() []byte { return r.target.of(r.data) }

// place points what r exports into the head.
func (r *Request) place(data []byte) *Error {
	r.Method = r.method.of(data)
	for i := range r.list {
		if r.list[i].Kind == Host {
			r.Host = r.Value(i)
		}
	}
	return r.locate(r.target.of(data))
}

var rootPath = []byte("/")

// locate splits the target.
func (r *Request) locate(target []byte) *Error {
	switch {
	case target[0] == '/':
	case string(target) == "*" && string(r.Method) == "OPTIONS":
		r.Path = target
		return nil
	default:
		// RFC 9112, 3.2.2: the Host header does not count.
		rest, ok := cutScheme(target)
		end := bytes.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		if !ok || end == 0 || !isHost(rest[:end]) {
			return errTarget
		}
		r.Host = rest[:end]
		target = rest[end:]
	}
	r.Path = target
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		r.Path, r.Query = target[:i], target[i:]
	}
	if len(r.Path) == 0 {
		r.Path = rootPath
	}
	return checkEscapes(r.Path)
}

func cutScheme(target []byte) ([]byte, bool) {
	for _, scheme := range [...]string{"http://", "https://"} {
		if HasPrefixFold(target, scheme) {
			return target[len(scheme):], true
		}
	}
	return nil, false
}

func checkEscapes(path []byte) *Error {
	for i := bytes.IndexByte(path, '%'); i >= 0; {
		if len(path) < i+3 || digit(path[i+1]) < 0 || digit(path[i+2]) < 0 {
			return errTargetEscape
		}
		path = path[i+3:]
		i = bytes.IndexByte(path, '%')
	}
	return nil
}

// isHost reports whether text is HOST or HOST:PORT. It may be empty, for a
// request that names no host.
func isHost(text []byte) bool {
	if len(text) == 0 {
		return true
	}
	host, port := text, []byte(nil)
	if text[0] == '[' {
		end := bytes.IndexByte(text, ']')
		if end < 2 || !isAddress(text[1:end]) {
			return false
		}
		rest := text[end+1:]
		return len(rest) == 0 || rest[0] == ':' && isPort(rest[1:])
	}
	if i := bytes.IndexByte(text, ':'); i >= 0 {
		host, port = text[:i], text[i+1:]
	}
	return len(host) > 0 && isAll(host, hostByte) && isPort(port) && checkEscapes(host) == nil
}

func isPort(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(text) <= 5
}

// isAddress reports whether text can be an IPv6 address.
func isAddress(text []byte) bool {
	for _, c := range text {
		if digit(c) < 0 && c != ':' && c != '.' {
			return false
		}
	}
	return true
}
