// Package xconnect turns on extended CONNECT (RFC 8441) in net/http's HTTP/2
// server. It has to be imported, nothing more, and its Restore called by a
// package that imports net/http.
//
// net/http has it and keeps it off, unless GODEBUG holds http2xconnect=1 while
// it is initialised: a browser that is offered it opens its WebSockets that way,
// and most handlers do not expect that. Teal's does. A //go:debug line cannot set
// it, and an operator should not have to.
//
// That this package is initialised first follows from the language: packages
// are initialised in the order of their import paths as far as dependencies
// allow. This one needs syscall alone. net/http needs time among others, which
// needs syscall too and whose path is greater than this one's; so whenever time
// could be next, this one is before it.
package xconnect

import "syscall"

const (
	variable = "GODEBUG"
	setting  = "http2xconnect=1"
)

var before, wasSet = syscall.Getenv(variable)

func init() {
	value := setting
	if before != "" {
		value = before + "," + setting
	}
	_ = syscall.Setenv(variable, value) // it fails for names that are not valid
}

// Restore makes the variable what it was, so that it is not passed on to
// processes that this one starts.
func Restore() {
	if !wasSet {
		_ = syscall.Unsetenv(variable)
		return
	}
	_ = syscall.Setenv(variable, before)
}
