package nethttp

import (
	"context"
	"io"
	"net/http"
	"strconv"

	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// file answers with a file of the component. The drain deadline and the end of the server
// end one that is on its way.
func (x *roundTrip) file() {
	ctx, done := x.Claim.Env.Bind(x.in.Context())
	defer done()
	answer, err := x.File()
	if err != nil {
		x.fail(err)
		return
	}
	var content gateway.OpenFile
	if answer.HasBody && answer.File.Kept() == nil {
		if content, err = answer.File.Open(); err != nil {
			x.fail(x.FileUnreadable(err))
			return
		}
		defer func() { _ = content.Close() }() // it was only read
	}
	x.beginFile(&answer)
	switch {
	case content != nil:
		x.copyFile(ctx, io.NewSectionReader(content, answer.Offset, answer.Length), answer.Length)
	case answer.HasBody:
		n, _ := x.w.Write(answer.File.Kept()[answer.Offset:][:answer.Length]) // the client may have gone; nobody is left to tell
		x.out = int64(n)
	}
}

// beginFile sends the head of the answer.
func (x *roundTrip) beginFile(answer *exchange.FileAnswer) {
	x.Answered(answer.Status)
	h := x.w.Header()
	h["Content-Type"] = nil // nothing is guessed
	answer.WriteHead(&header{Header: h})
	if answer.Length >= 0 {
		h.Set("Content-Length", strconv.FormatInt(answer.Length, 10))
	}
	if !x.body.finish() {
		h.Set("Connection", "close")
	}
	x.w.WriteHeader(answer.Status)
}

// copyFile sends the content, a piece at a time.
func (x *roundTrip) copyFile(ctx context.Context, from io.Reader, left int64) {
	buffer := buffers.Get()
	defer buffers.Put(buffer)
	for left > 0 {
		if ctx.Err() != nil {
			panic(http.ErrAbortHandler)
		}
		n, err := io.ReadFull(from, buffer[:min(left, int64(len(buffer)))])
		if err != nil {
			x.Break(x.FileUnreadable(err), gateway.FaultStatus)
			panic(http.ErrAbortHandler)
		}
		written, err := x.w.Write(buffer[:n])
		x.out += int64(written)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		left -= int64(n)
	}
}
