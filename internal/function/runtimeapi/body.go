package runtimeapi

import (
	"bytes"
	"io"
	"slices"
)

// readBody returns the request's body in memory of its own. A body over limit
// bytes is read to its end, thrown away, and reported as errBodyTooLarge.
func (r *reader) readBody(req *request, limit int64) ([]byte, error) {
	if req.length == lengthChunked {
		return r.readChunks(req, limit)
	}
	if req.length > limit {
		left := maxDiscard
		if err := r.discard(req.length, &left); err != nil {
			return nil, err
		}
		return nil, errBodyTooLarge
	}
	if req.length == 0 {
		return nil, nil
	}
	body := make([]byte, req.length)
	if _, err := io.ReadFull(r.buf, body); err != nil {
		return nil, unexpected(err)
	}
	return body, nil
}

func (r *reader) readChunks(req *request, limit int64) ([]byte, error) {
	var body []byte
	var total int64
	left := maxDiscard
	for {
		size, err := r.chunkSize(req)
		if err != nil {
			return nil, err
		}
		if size == 0 {
			break
		}
		if total += size; total > limit {
			body = nil
			if err = r.discard(size, &left); err == nil {
				err = r.chunkEnd()
			}
		} else {
			body, err = r.appendChunk(body, size)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := r.readTrailers(req); err != nil {
		return nil, err
	}
	if total > limit {
		return nil, errBodyTooLarge
	}
	return body, nil
}

// appendChunk reads size bytes and their CRLF. Memory grows with what has
// arrived, not with what a size line promises.
func (r *reader) appendChunk(body []byte, size int64) ([]byte, error) {
	for size > 0 {
		n := int(min(size, chunkAlloc))
		start := len(body)
		body = slices.Grow(body, n)[:start+n]
		if _, err := io.ReadFull(r.buf, body[start:]); err != nil {
			return nil, unexpected(err)
		}
		size -= int64(n)
	}
	return body, r.chunkEnd()
}

func (r *reader) chunkEnd() error {
	var end [2]byte
	if _, err := io.ReadFull(r.buf, end[:]); err != nil {
		return unexpected(err)
	}
	if end != [2]byte{'\r', '\n'} {
		return malformed("a chunk is longer than its size says")
	}
	return nil
}

func (r *reader) chunkSize(req *request) (int64, error) {
	req.head = 0 // the bound holds for each size line
	line, cut, err := r.line(req)
	if err != nil {
		return 0, unexpected(err)
	}
	size, _, _ := bytes.Cut(line, []byte(";"))
	n, ok := parseUint(bytes.TrimRight(size, " \t"), 16)
	if cut || !ok {
		return 0, malformed("a chunk's size is not a number")
	}
	return n, nil
}

func (r *reader) readTrailers(req *request) error {
	req.head, req.headers = 0, 0
	for {
		done, err := r.readHeader(req, req.setTrailer)
		if err != nil {
			return unexpected(err)
		}
		if done {
			return nil
		}
	}
}

// discard reads n bytes of a body that is too large, so that the peer gets to
// read the refusal. *left is how much more is put up with.
func (r *reader) discard(n int64, left *int64) error {
	if *left -= n; *left < 0 {
		return &protocolError{413, "the body does not end"}
	}
	_, err := io.CopyN(io.Discard, r.buf, n)
	return unexpected(err)
}
