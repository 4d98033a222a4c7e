package systemd

import (
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"

	"teal"
)

// The names of the sockets that a server takes, as FileDescriptorName= in their units
// says.
const (
	HTTP  = "http"
	HTTPS = "https"
	Admin = "admin"
)

var socketNames = []string{HTTP, HTTPS, Admin}

// Sockets are listening sockets by name that were opened for this process.
type Sockets map[string]net.Listener

// Inherited returns the sockets that systemd has passed, none where it has not; it may
// be called once. The error has teal.CodeInvalidInput: a socket that nobody serves
// would let its clients wait for ever.
func Inherited() (Sockets, error) {
	sockets := Sockets{}
	for _, file := range activation.Files(true) {
		name := file.Name()
		l, err := net.FileListener(file)
		_ = file.Close() // l has a descriptor of its own
		_, isTCP := l.(*net.TCPListener)
		switch {
		case err != nil || !isTCP:
			err = teal.Errorf(teal.CodeInvalidInput, "the socket %s that systemd passes is not a listening TCP socket; give its unit a ListenStream= with a port", name)
		case !slices.Contains(socketNames, name):
			err = teal.Errorf(teal.CodeInvalidInput, "systemd passes a socket named %q; expected FileDescriptorName= with one of %s", name, strings.Join(socketNames, ", "))
		case sockets[name] != nil:
			err = teal.Errorf(teal.CodeInvalidInput, "systemd passes two sockets named %s; a server has one", name)
		}
		if err != nil {
			sockets.close()
			if l != nil {
				_ = l.Close()
			}
			return nil, err
		}
		sockets[name] = l
	}
	return sockets, nil
}

func (s Sockets) close() {
	for l := range maps.Values(s) {
		_ = l.Close() // nobody serves it
	}
}
