package exchange

import (
	"fmt"

	"teal"
	"teal/internal/gateway"
)

// FileAnswer is an answer with a file, or without one, as the client gets it.
type FileAnswer struct {
	gateway.FileAnswer
	HasBody bool // false for HEAD, too

	version string
	secure  string // of Strict-Transport-Security; "" for none
}

// File decides what is answered by a component that has files.
func (x *Exchange) File() (FileAnswer, error) {
	q := x.fileRequest()
	answer, err := x.Claim.Component.Files.Answer(q)
	if err != nil {
		return FileAnswer{}, err
	}
	return FileAnswer{FileAnswer: answer, HasBody: answer.Length > 0 && q.Method != "HEAD", version: x.Claim.Env.Label(), secure: x.transportSecurity()}, nil
}

// fileRequest reads what of the request is about files. Of a list that stands in several
// fields, all of it counts.
func (x *Exchange) fileRequest() gateway.FileRequest {
	line := x.in.Line()
	q := gateway.FileRequest{Method: line.Method, Path: x.ForwardedPath(), Sent: line.Path, Query: line.RawQuery}
	for i := range x.in.Len() {
		name, value, _ := x.in.Field(i)
		if to := fileField(&q, name); to != nil {
			*to = joined(*to, value)
		}
	}
	return q
}

// fileField returns where a field of that name is kept, nil for nowhere.
func fileField(q *gateway.FileRequest, name string) *string {
	if len(name) == 0 {
		return nil
	}
	switch name[0] | 0x20 {
	case 'a':
		switch {
		case isName(name, "Accept"):
			return &q.Accept
		case isName(name, "Accept-Encoding"):
			return &q.AcceptEncoding
		}
	case 'i':
		return conditionField(q, name)
	case 'r':
		if isName(name, "Range") {
			return &q.Range
		}
	case 's':
		if isName(name, "Sec-Fetch-Dest") {
			return &q.FetchedFor
		}
	}
	return nil
}

func conditionField(q *gateway.FileRequest, name string) *string {
	switch {
	case isName(name, "If-None-Match"):
		return &q.IfNoneMatch
	case isName(name, "If-Modified-Since"):
		return &q.IfModified
	case isName(name, "If-Match"):
		return &q.IfMatch
	case isName(name, "If-Unmodified-Since"):
		return &q.IfUnmodified
	case isName(name, "If-Range"):
		return &q.IfRange
	}
	return nil
}

func joined(list, more string) string {
	if list == "" {
		return more
	}
	return list + ", " + more
}

// WriteHead writes the fields of the answer, without framing.
func (a *FileAnswer) WriteHead(to Fields) {
	for _, field := range a.Fields {
		to.Add(field.Name, field.Value)
	}
	if a.ContentRange != "" {
		to.Add("Content-Range", a.ContentRange)
	}
	if a.Location != "" {
		to.Add("Location", a.Location)
	}
	addTransportSecurity(to, a.secure)
	to.Add(headerVersion, a.version)
}

// FileUnreadable says that the disk does not give the content of a file.
func (x *Exchange) FileUnreadable(cause error) error {
	return &teal.Error{
		Code:    teal.CodeInternal,
		Message: fmt.Sprintf("a file of component %q of version %s cannot be read", x.Claim.Component.Name, x.Claim.Version), Err: cause,
	}
}
