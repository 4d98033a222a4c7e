package http1

import "bytes"

// Kind says what a field means to the connection or to the framing.
type Kind uint8

// The kinds of fields.
const (
	EndToEnd         Kind = iota // means nothing here; is passed on
	Host                         // of a request
	ContentLength                //
	TransferEncoding             //
	Connection                   //
	Upgrade                      //
	Expect                       //
	TE                           //
	HopByHop                     // any other field about one connection, and what Connection names
)

// Field is one header or trailer field: where its parts are in the section.
type Field struct {
	Kind                  Kind
	start, stop           uint32 // the name
	valueStart, valueStop uint32
}

// Fields are the fields of one header or trailer section, in place: what it
// returns is valid as long as the bytes that were parsed.
type Fields struct {
	list []Field
	data []byte
}

// Len returns how many there are.
func (f *Fields) Len() int { return len(f.list) }

// Kind returns what the field i means.
func (f *Fields) Kind(i int) Kind { return f.list[i].Kind }

// Name returns the name of the field i as sent.
func (f *Fields) Name(i int) []byte { return f.data[f.list[i].start:f.list[i].stop] }

// Value returns the value of the field i without the space around it.
func (f *Fields) Value(i int) []byte { return f.data[f.list[i].valueStart:f.list[i].valueStop] }

// Get returns the value of the first field of that name, which is in lower case.
func (f *Fields) Get(lower string) ([]byte, bool) {
	for i := range f.list {
		if name := f.Name(i); len(name) == len(lower) && EqualFold(name, lower) {
			return f.Value(i), true
		}
	}
	return nil, false
}

// Limits bounds a head.
type Limits struct {
	Bytes  int // with the line ends
	Fields int
}

// section reads the lines of a head or a trailer as they arrive.
type section struct {
	Fields
	next    int // where the next line begins
	scanned int // no line end from next to here
	// repairs puts up with what a server writes that can be read in only one way:
	// lines that end in LF alone, folded lines of a head, space between a name and its colon.
	// Never with what a client writes: its next hop might read it in another way.
	repairs bool
}

func (s *section) reset() {
	s.list, s.data, s.next, s.scanned = s.list[:0], nil, 0, 0
}

// fieldLine is line for a line that may be folded: the fold becomes spaces, in
// data.
func (s *section) fieldLine(data []byte) (start, end int, whole bool, err *Error) {
	for {
		next, scanned := s.next, s.scanned
		start, end, whole, err = s.line(data)
		if !s.repairs || !whole || start == end {
			return start, end, whole, err
		}
		if s.next == len(data) { // what follows may continue the line
			s.next, s.scanned = next, scanned
			return 0, 0, false, nil
		}
		if c := data[s.next]; c != ' ' && c != '\t' || bytes.IndexByte(data[start:end], ':') < 0 {
			return start, end, true, nil
		}
		for i := end; i < s.next; i++ {
			data[i] = ' '
		}
		s.next = next
	}
}

// line returns where the next line is, without its CRLF; whole is false when
// more bytes are needed.
func (s *section) line(data []byte) (start, end int, whole bool, err *Error) {
	i := bytes.IndexByte(data[s.scanned:], '\n')
	if i < 0 {
		s.scanned = len(data)
		return 0, 0, false, nil
	}
	start, end = s.next, s.scanned+i
	s.next, s.scanned = end+1, end+1
	switch {
	case end > start && data[end-1] == '\r':
		return start, end - 1, true, nil
	case s.repairs:
		return start, end, true, nil
	}
	return 0, 0, false, errBareLF
}

// add parses one field line.
func (s *section) add(data []byte, start, end int) (*Field, *Error) {
	colon := start
	for colon < end && class[data[colon]]&tokenByte != 0 {
		colon++
	}
	name := colon
	for s.repairs && colon > start && colon < end && (data[colon] == ' ' || data[colon] == '\t') {
		colon++
	}
	if colon == start || colon == end || data[colon] != ':' {
		if c := data[start]; c == ' ' || c == '\t' {
			return nil, errFold
		}
		return nil, errFieldName
	}
	from, to := colon+1, end
	for from < to && (data[from] == ' ' || data[from] == '\t') {
		from++
	}
	for from < to && (data[to-1] == ' ' || data[to-1] == '\t') {
		to--
	}
	if !isText(data[from:to]) {
		return nil, errFieldValue
	}
	s.list = append(s.list, Field{
		Kind: kindOf(data[start:name]), start: uint32(start), stop: uint32(name),
		valueStart: uint32(from), valueStop: uint32(to),
	})
	return &s.list[len(s.list)-1], nil
}

func kindOf(name []byte) Kind {
	switch len(name) {
	case 2:
		return kindIf(name, "te", TE)
	case 4:
		return kindIf(name, "host", Host)
	case 6:
		return kindIf(name, "expect", Expect)
	case 7:
		return kindIf(name, "upgrade", Upgrade)
	case 10:
		if kindIf(name, "connection", Connection) == Connection {
			return Connection
		}
		return kindIf(name, "keep-alive", HopByHop)
	case 14:
		if kindIf(name, "content-length", ContentLength) == ContentLength {
			return ContentLength
		}
		return kindIf(name, "http2-settings", HopByHop)
	case 16:
		return kindIf(name, "proxy-connection", HopByHop)
	case 17:
		return kindIf(name, "transfer-encoding", TransferEncoding)
	case 18:
		return kindIf(name, "proxy-authenticate", HopByHop)
	case 19:
		return kindIf(name, "proxy-authorization", HopByHop)
	}
	return EndToEnd
}

// IsAboutConnection reports whether a field of that name is about one connection
// or frames a message, and so is not a component's to set.
func IsAboutConnection(name string) bool { return kindOf([]byte(name)) != EndToEnd }

func kindIf(name []byte, lower string, kind Kind) Kind {
	if EqualFold(name, lower) {
		return kind
	}
	return EndToEnd
}

// framing is what the fields of a head say about its message and its
// connection.
type framing struct {
	length   int64
	sized    bool // Content-Length was there
	chunked  bool
	close    bool
	keep     bool // Connection: keep-alive
	upgrade  bool // Connection: upgrade
	protocol bool // the Upgrade field was there
	named    bool // Connection names other fields
}

// set takes the meaning of a field that both kinds of heads have.
func (f *framing) set(kind Kind, value []byte) *Error {
	switch kind {
	case ContentLength:
		if f.sized {
			return errLengthTwice
		}
		n, ok := number(value)
		if !ok {
			return errLength
		}
		f.length, f.sized = n, true
	case TransferEncoding:
		if f.chunked {
			return errCodingTwice
		}
		if len(value) == 0 {
			return errCodingEmpty
		}
		if !EqualFold(value, "chunked") {
			return errCoding
		}
		f.chunked = true
	case Connection:
		return f.connection(value)
	case Upgrade:
		f.protocol = true
	}
	return nil
}

// connection reads the options of a Connection field.
func (f *framing) connection(value []byte) *Error {
	for len(value) > 0 {
		option := value
		if i := bytes.IndexByte(value, ','); i >= 0 {
			option, value = value[:i], value[i+1:]
		} else {
			value = nil
		}
		option = trim(option)
		switch {
		case len(option) == 0: // an empty element means nothing
		case EqualFold(option, "close"):
			f.close = true
		case EqualFold(option, "keep-alive"):
			f.keep = true
		case EqualFold(option, "upgrade"):
			f.upgrade = true
		case !isToken(option):
			return errConnection
		default:
			f.named = true
		}
	}
	return nil
}

// check refuses what two readers could frame in two ways.
func (f *framing) check(minor int) *Error {
	switch {
	case f.chunked && f.sized:
		return errBothLengths
	case f.chunked && minor == 0:
		return errCodingIn10
	}
	return nil
}

// hideNamed marks the fields that Connection names as being about one
// connection. What frames and routes the message is not up to its sender to
// hide.
func (s *section) hideNamed() {
	for i := range s.list {
		if s.list[i].Kind != Connection {
			continue
		}
		for option := range bytes.SplitSeq(s.Value(i), []byte(",")) {
			s.hide(trim(option))
		}
	}
}

func (s *section) hide(name []byte) {
	for i := range s.list {
		if s.list[i].Kind == EndToEnd && bytes.EqualFold(s.Name(i), name) {
			s.list[i].Kind = HopByHop
		}
	}
}
