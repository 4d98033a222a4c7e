package awslambda

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"teal"
)

// MaxUnproven is what all bodies together may hold of clients that have not
// proven yet who they are: one zip of the largest size, and some more. Of AWS's
// own tools some, the AWS CLI and boto3 among them, sign the hash of a body
// without saying it in the head: their bodies have to be read first.
const MaxUnproven = 128 * teal.MiB

const (
	freeBody     = 64 << 10        // of one such body; connections bound these
	unprovenTime = 5 * time.Minute // for the whole of it
)

// bodyReader reads the body of one request.
type bodyReader struct {
	limit    int64
	op       *operation    // nil for an unknown one
	unproven *atomic.Int64 // what is left for the bodies of strangers; nil: the client is none
	held     int64
}

// whole returns the body. What it holds is taken from the budget as it arrives,
// so that a client which only announces much costs nothing; release gives it
// back.
func (b *bodyReader) whole(r *http.Request) ([]byte, error) {
	source := http.MaxBytesReader(nil, r.Body, b.limit)
	began := time.Now()
	data := make([]byte, 0, min(max(r.ContentLength+1, 512), freeBody))
	for {
		n, err := source.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case errors.Is(err, io.EOF):
			return data, nil
		case err != nil:
			return nil, b.fault(err)
		case b.unproven != nil && time.Since(began) > unprovenTime:
			return nil, b.fault(os.ErrDeadlineExceeded)
		case len(data) < cap(data):
			continue
		}
		if data, err = b.grow(data); err != nil {
			return nil, err
		}
	}
}

// grow returns data with more room.
func (b *bodyReader) grow(data []byte) ([]byte, error) {
	size := min(2*int64(cap(data)), b.limit+1)
	if more := size - int64(cap(data)); b.unproven != nil {
		if b.unproven.Add(-more) < 0 {
			b.unproven.Add(more)
			return nil, faultf(codeThrottled, "Too many large requests are being read whose signature cannot be verified before their end. Try again, or declare the payload's hash in X-Amz-Content-Sha256.")
		}
		b.held += more
	}
	return append(make([]byte, 0, size), data...), nil
}

func (b *bodyReader) release() {
	if b.held > 0 {
		b.unproven.Add(b.held)
	}
}

func (b *bodyReader) fault(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		name := "Request"
		if b.op != nil {
			name = b.op.name
		}
		return tooLargeFault(b.limit, name)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return faultf(codeContent, "The request's body did not arrive in time.")
	}
	return faultf(codeContent, "The request's body could not be read.")
}
