package http1

// What a length can be besides a number of bytes.
const (
	Chunked    int64 = -1 // the transfer coding says where the body ends
	UntilClose int64 = -2 // the end of the connection is the end of the body
)

// The bounds of what frames chunks.
const (
	maxChunkDigits   = 15
	maxChunkExt      = 256 // bytes of extensions of one chunk
	maxTrailerBytes  = 16 << 10
	maxTrailerFields = 64
)

// Body follows the framing of one body. It is reused: Reset, then Next until
// Done.
type Body struct {
	// Repairs puts up with what can be read in only one way, as Response.Parse
	// does: space behind the size of a chunk, leading zeros, LF for CRLF. It is for
	// the bodies of responses and stays as it is in Reset.
	Repairs bool

	state   bodyState
	left    int64 // of the body, or of the chunk
	digits  int   // of the chunk's size so far
	ext     int   // bytes of the chunk's extensions so far
	trailer section
}

type bodyState uint8

const (
	bodyDone       bodyState = iota
	bodyLength               // left bytes follow
	bodyUntilClose           //
	chunkSize                // in the digits of a size
	chunkSpace               // in the space behind a size
	chunkExt                 // in the extensions
	chunkSizeLF              // after the CR of a size line
	chunkData                // left bytes follow
	chunkCR                  // after the data
	chunkLF                  //
	bodyTrailer              // after the last chunk's size line
)

// Reset makes b ready for a body of that length.
func (b *Body) Reset(length int64) {
	b.left, b.digits, b.ext = length, 0, 0
	b.trailer.reset()
	b.trailer.repairs = b.Repairs
	switch {
	case length > 0:
		b.state = bodyLength
	case length == 0:
		b.state = bodyDone
	case length == Chunked:
		b.state = chunkSize
	default:
		b.state = bodyUntilClose
	}
}

// Done reports whether the body has ended.
func (b *Body) Done() bool { return b.state == bodyDone }

// UntilClose reports whether the end of the connection is the end of the body.
func (b *Body) UntilClose() bool { return b.state == bodyUntilClose }

// Left returns how many bytes of content follow for certain.
func (b *Body) Left() int64 { return max(b.left, 0) }

// Trailer returns the trailer fields of a body that is Done, valid as long as
// the bytes of the last Next.
func (b *Body) Trailer() *Fields { return &b.trailer.Fields }

// Next takes the next piece of the body from data: n bytes, of which the last
// len(piece) are content. Call it again with what follows those n bytes, until
// it takes none: then more must arrive. The error is an *Error.
func (b *Body) Next(data []byte) (piece []byte, n int, err error) {
	for n < len(data) {
		switch b.state {
		case bodyDone:
			return nil, n, nil
		case bodyUntilClose:
			return data[n:], len(data), nil
		case bodyLength, chunkData:
			piece = data[n:]
			if int64(len(piece)) > b.left {
				piece = piece[:b.left]
			}
			b.took(len(piece))
			return piece, n + len(piece), nil
		case bodyTrailer:
			took, err := b.readTrailer(data[n:])
			if err != nil {
				return nil, n, err
			}
			return nil, n + took, nil
		default:
			if err := b.frame(data[n]); err != nil {
				return nil, n, err
			}
			n++
		}
	}
	return nil, n, nil
}

// took counts n bytes of content.
func (b *Body) took(n int) {
	if b.left -= int64(n); b.left > 0 {
		return
	}
	if b.state == chunkData {
		b.state = chunkCR
	} else {
		b.state = bodyDone
	}
}

// frame takes one byte of what stands between the chunks' data.
func (b *Body) frame(c byte) *Error {
	if c == '\n' && b.Repairs && b.digits > 0 {
		switch b.state { // the CR is missing
		case chunkSize, chunkSpace, chunkExt:
			b.state = chunkSizeLF
		case chunkCR:
			b.state = chunkLF
		}
	}
	switch b.state {
	case chunkSize, chunkSpace:
		return b.frameSize(c)
	case chunkExt:
		if b.ext++; b.ext > maxChunkExt || c != '\r' && (c < ' ' && c != '\t' || c >= 0x7f) {
			return errChunkExt
		}
		if c == '\r' {
			b.state = chunkSizeLF
		}
	case chunkSizeLF:
		if c != '\n' {
			return errBareLF
		}
		b.state = chunkData
		if b.left == 0 {
			b.state = bodyTrailer
		}
	case chunkCR:
		if c != '\r' {
			return errChunkEnd
		}
		b.state = chunkLF
	default: // chunkLF
		if c != '\n' {
			return errChunkEnd
		}
		b.state, b.left, b.digits, b.ext = chunkSize, 0, 0, 0
	}
	return nil
}

func (b *Body) frameSize(c byte) *Error {
	if d := digit(c); d >= 0 && b.state == chunkSize {
		return b.frameDigit(d)
	}
	switch {
	case b.digits == 0:
		return errChunkSize
	case c == '\r':
		b.state = chunkSizeLF
	case c == ';':
		b.state = chunkExt
	case b.Repairs && (c == ' ' || c == '\t') && b.ext < maxChunkExt:
		b.state = chunkSpace
		b.ext++
	default:
		return errChunkSize
	}
	return nil
}

// frameDigit takes a digit of a chunk's size.
func (b *Body) frameDigit(d int64) *Error {
	if b.digits == 0 {
		b.left = 0
	}
	if b.Repairs && b.left == 0 && d == 0 && b.digits > 0 && b.ext < maxChunkExt {
		b.ext++ // one more leading zero
		return nil
	}
	if b.digits++; b.digits > maxChunkDigits {
		return errChunkSize
	}
	b.left = b.left<<4 | d
	return nil
}

// readTrailer reads the trailer section once it is whole.
func (b *Body) readTrailer(data []byte) (int, error) {
	for {
		start, end, whole, err := b.trailer.line(data)
		switch {
		case err != nil:
			return 0, err
		case b.trailer.next > maxTrailerBytes || !whole && len(data) > maxTrailerBytes || len(b.trailer.list) > maxTrailerFields:
			return 0, errTrailer
		case !whole:
			return 0, nil
		case start == end:
			b.state, b.trailer.data = bodyDone, data[:b.trailer.next]
			return b.trailer.next, nil
		}
		if _, err := b.trailer.add(data, start, end); err != nil {
			return 0, err
		}
	}
}
