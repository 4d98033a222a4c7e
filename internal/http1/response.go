package http1

// Response is the head of a response. It is reused as a Request is.
type Response struct {
	section
	framing
	Status int
	Reason []byte
	Minor  int // of HTTP/1.x

	begun  bool
	reason span
}

// Reset makes r ready for the next head.
func (r *Response) Reset() {
	list := r.list
	*r = Response{}
	r.list = list[:0]
}

// Begun reports whether the status line has been read.
func (r *Response) Begun() bool { return r.begun }

// Interim reports whether another response to the same request follows.
func (r *Response) Interim() bool { return r.Status < 200 && r.Status != 101 }

// Bodiless reports whether a response of this status never has a body.
func (r *Response) Bodiless() bool { return r.Status < 200 || r.Status == 204 || r.Status == 304 }

// AppendHead appends the head as it must be read: once repaired, with one length,
// and with Connection: close when the server ends the connection. toHead says that
// the request was one of method HEAD.
func (r *Response) AppendHead(to []byte, toHead bool) []byte {
	to = AppendStatusLine(to, r.Status, r.Reason)
	for i := range r.Len() {
		if kind := r.Kind(i); kind != ContentLength && kind != TransferEncoding {
			to = AppendField(to, r.Name(i), r.Value(i))
		}
	}
	if r.Close() {
		to = append(to, "Connection: close\r\n"...)
	}
	switch {
	case r.Status < 200 || r.Status == 204: // RFC 9110, 8.6; in HTTP/2 a length without a body is a broken answer
	case r.chunked && !toHead && r.Status != 304:
		to = AppendLength(to, Chunked)
	case r.sized:
		to = AppendLength(to, r.length)
	}
	return append(to, "\r\n"...)
}

// Length returns the length of the body of the response to a request with the
// method HEAD, or with another one: 0 for none, Chunked, or UntilClose.
func (r *Response) Length(toHead bool) int64 {
	switch {
	case toHead || r.Bodiless():
		return 0
	case r.chunked:
		return Chunked
	case r.sized:
		return r.length
	}
	return UntilClose
}

// Sized returns what Content-Length says, and whether it is there.
func (r *Response) Sized() (int64, bool) { return r.length, r.sized }

// SetClose makes r one after which the server ends the connection.
func (r *Response) SetClose() { r.close = true }

// Close reports whether the server ends the connection after this response.
func (r *Response) Close() bool { return r.close || r.Minor == 0 && !r.keep }

// Upgrades reports whether the server goes on in another protocol.
func (r *Response) Upgrades() bool { return r.Status == 101 && r.upgrade && r.protocol }

// Parse reads the head at the beginning of data, as Request.Parse does. It puts up
// with what can be read in only one way, and may write spaces into data where a
// line was folded.
func (r *Response) Parse(data []byte, limits Limits) (int, error) {
	n, err := r.parse(data, limits)
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (r *Response) parse(data []byte, limits Limits) (int, *Error) {
	r.repairs = true
	for {
		start, end, whole, err := r.nextLine(data)
		switch {
		case err != nil:
			return 0, err
		case r.next > limits.Bytes || !whole && len(data) > limits.Bytes:
			return 0, errHeadTooLarge
		case !whole:
			return 0, nil
		case !r.begun:
			err = r.statusLine(data, start, end)
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

func (r *Response) nextLine(data []byte) (start, end int, whole bool, err *Error) {
	if !r.begun {
		return r.line(data)
	}
	return r.fieldLine(data)
}

func (r *Response) statusLine(data []byte, start, end int) *Error {
	const shortest = len("HTTP/1.1 200")
	r.begun = true
	line := data[start:end]
	if len(line) < shortest || string(line[:7]) != "HTTP/1." || line[7] < '0' || line[7] > '9' || line[8] != ' ' {
		return errStatusLine
	}
	r.Minor = min(int(line[7]-'0'), 1) // a later one is understood as 1.1: RFC 9110, 2.5
	for len(line) > shortest && line[9] == ' ' {
		start++
		line = line[1:]
	}
	status, ok := number(line[9:12])
	if !ok || status < 100 {
		return errStatusLine
	}
	r.Status = int(status)
	r.reason = span{end, end}
	if len(line) > shortest {
		if line[shortest] != ' ' || !isText(line[shortest+1:]) {
			return errStatusLine
		}
		r.reason.start = start + shortest + 1
	}
	return nil
}

func (r *Response) field(data []byte, start, end int) *Error {
	f, err := r.add(data, start, end)
	if err != nil || f.Kind == EndToEnd {
		return err
	}
	value := data[f.valueStart:f.valueStop]
	switch {
	case f.Kind == Host || f.Kind == Expect:
		f.Kind = EndToEnd // mean nothing in a response
		return nil
	case f.Kind == ContentLength && r.sized:
		if n, ok := number(value); ok && n == r.length {
			return nil // the same once more: RFC 9110, 8.6
		}
	}
	return r.set(f.Kind, value)
}

func (r *Response) finish(data []byte) *Error {
	r.data = data
	if err := r.check(r.Minor); err != nil {
		return err
	}
	r.Reason = r.reason.of(data)
	if r.named {
		r.hideNamed()
	}
	return nil
}
