package gateway

import "io"

// Files answers requests with the files of a version.
type Files interface {
	// Answer decides what is answered to a request. It does no I/O, and what it returns
	// does not refer to the texts of r. Errors carry teal.CodeNotFound, or
	// CodeUnavailable while the files are being looked at, or are a *NotAllowed.
	Answer(r FileRequest) (FileAnswer, error)
}

// FileRequest is what of a request says which file is asked for, and in which way. The
// texts may lie in the carrier's buffer; "" is for what is not there.
type FileRequest struct {
	Method      string
	Path        string // percent-encoded, without what the route leaves out
	Sent, Query string // the path as the client knows it, and the query; both as sent

	Accept, AcceptEncoding     string
	IfMatch, IfNoneMatch       string
	IfModified, IfUnmodified   string // If-Modified-Since, If-Unmodified-Since
	IfRange, Range, FetchedFor string // FetchedFor is Sec-Fetch-Dest
}

// FileAnswer is what is answered with a file, or without one.
type FileAnswer struct {
	Status       int
	Fields       []HeaderField // shared: not to be changed
	Location     string        // "" for none; so is ContentRange
	ContentRange string
	// File has the content, nil for none: Length bytes from Offset on.
	File           File
	Offset, Length int64
}

// HeaderField is one field of a head.
type HeaderField struct{ Name, Value string }

// File is the content of one file, which does not change.
type File interface {
	// Kept returns the whole content when it is in memory, and nil otherwise.
	Kept() []byte
	// Open makes the content ready to be read. It may block, and fails when the file is
	// not there any more or is not the one that was looked at.
	Open() (OpenFile, error)
}

// OpenFile is a file that is being read.
type OpenFile interface {
	io.ReaderAt // which may block
	io.Closer
	// ReadReady reads what can be read without waiting for a disk. It returns 0 when
	// that is nothing.
	ReadReady(p []byte, at int64) int
}
