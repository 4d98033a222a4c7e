package http1

import "strconv"

// AppendField appends one field line.
func AppendField(to, name, value []byte) []byte {
	to = append(to, name...)
	to = append(to, ": "...)
	to = append(to, value...)
	return append(to, "\r\n"...)
}

// AppendLine appends one field line. name and value must have been checked.
func AppendLine(to []byte, name, value string) []byte {
	to = append(to, name...)
	to = append(to, ": "...)
	to = append(to, value...)
	return append(to, "\r\n"...)
}

// AppendRequestLine appends the request line of r in origin-form for a path, with base
// in front of it. What follows are fields and an empty line.
func (r *Request) AppendRequestLine(to []byte, base, path string) []byte {
	to = append(to, r.Method...)
	to = append(to, ' ')
	if path != "*" {
		to = append(to, base...)
	}
	to = append(to, path...)
	to = append(to, r.Query...)
	return append(to, " HTTP/1.1\r\n"...)
}

// AppendStatusLine appends a status line. An empty reason becomes the usual one.
func AppendStatusLine(to []byte, status int, reason []byte) []byte {
	if status == 200 && (len(reason) == 0 || string(reason) == "OK") {
		return append(to, "HTTP/1.1 200 OK\r\n"...)
	}
	to = append(to, "HTTP/1.1 "...)
	to = strconv.AppendInt(to, int64(status), 10)
	to = append(to, ' ')
	if len(reason) > 0 {
		to = append(to, reason...)
	} else {
		to = append(to, StatusText(status)...)
	}
	return append(to, "\r\n"...)
}

// AppendLength appends the framing of a body of that length, which is not
// UntilClose.
func AppendLength(to []byte, length int64) []byte {
	if length == Chunked {
		return append(to, "Transfer-Encoding: chunked\r\n"...)
	}
	to = append(to, "Content-Length: "...)
	to = strconv.AppendInt(to, length, 10)
	return append(to, "\r\n"...)
}

// AppendChunk appends content as one chunk; nothing for no content.
func AppendChunk(to, content []byte) []byte {
	if len(content) == 0 {
		return to
	}
	to = AppendChunkSize(to, len(content))
	to = append(to, content...)
	return append(to, "\r\n"...)
}

// AppendChunkSize appends what goes before the content of a chunk; CRLF goes
// behind it.
func AppendChunkSize(to []byte, size int) []byte {
	to = strconv.AppendInt(to, int64(size), 16)
	return append(to, "\r\n"...)
}

// AppendTrailer ends a chunked body. Of the trailer fields those are passed on
// that pass reports true for, and never one that frames, routes or is about one
// connection.
func AppendTrailer(to []byte, trailer *Fields, pass func(name []byte) bool) []byte {
	to = append(to, "0\r\n"...)
	for i := range trailer.Len() {
		if name := trailer.Name(i); trailer.Kind(i) == EndToEnd && pass(name) {
			to = AppendField(to, name, trailer.Value(i))
		}
	}
	return append(to, "\r\n"...)
}

// StatusText returns the usual reason of a status, or "" for an unusual one.
func StatusText(status int) string { return statusText[status] }

var statusText = map[int]string{
	100: "Continue", 101: "Switching Protocols", 102: "Processing", 103: "Early Hints",
	200: "OK", 201: "Created", 202: "Accepted", 203: "Non-Authoritative Information", 204: "No Content",
	205: "Reset Content", 206: "Partial Content", 207: "Multi-Status",
	300: "Multiple Choices", 301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified",
	307: "Temporary Redirect", 308: "Permanent Redirect",
	400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
	405: "Method Not Allowed", 406: "Not Acceptable", 408: "Request Timeout", 409: "Conflict", 410: "Gone",
	411: "Length Required", 412: "Precondition Failed", 413: "Request Entity Too Large", 414: "Request URI Too Long",
	415: "Unsupported Media Type", 416: "Requested Range Not Satisfiable", 417: "Expectation Failed", 418: "I'm a teapot",
	421: "Misdirected Request", 422: "Unprocessable Entity", 425: "Too Early", 426: "Upgrade Required",
	428: "Precondition Required", 429: "Too Many Requests", 431: "Request Header Fields Too Large",
	451: "Unavailable For Legal Reasons",
	500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
	504: "Gateway Timeout", 505: "HTTP Version Not Supported", 507: "Insufficient Storage",
}
