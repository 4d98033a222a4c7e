package process

import (
	"fmt"
	"net"
	"net/netip"
	"os"
)

// Caller is whose socket is at the other end of a connection on the loopback.
// Every local user can connect there, and so can the pages in a local browser:
// whoever listens on it for the processes of a Runner asks who calls.
//
// This is who may call what:
//
//	Runtime API of an instance    the processes of that instance
//	TEAL_URL_<COMPONENT>          the processes with that environment as their
//	                              Owner (its instances, the commands of its
//	                              checks and hooks), and this program itself
//	TEAL_PREVIEW_URL              these, and processes of this program's user
//	                              and of root; of those no foreign page
//
// Where the system does not say who calls, everybody on the loopback but a
// foreign page may.
type Caller int

// The callers.
const (
	CallerUnknown  Caller = iota // the system does not say
	CallerOwn                    // a process that belongs to what was asked about
	CallerUser                   // another process of this program's user, or of root
	CallerStranger               // somebody else, or nobody any more
)

// Caller says who has opened c, which this program has accepted on the loopback:
// CallerOwn means p, or a process that belongs to it by its cgroup, or by
// descent, process group or session. One that has left all of these is
// CallerUser or CallerStranger. It reads a few files of the kernel's: ask once
// for each connection. An error comes with CallerUnknown and says why.
func (p *Process) Caller(c net.Conn) (Caller, error) {
	client, server := ends(c)
	return callerOf(client, server, []*Process{p}, false)
}

// Caller says who has opened the connection between two addresses, the client's and
// this program's, as Process.Caller does: CallerOwn means a process of one that was
// started with that Spec.Owner, or this program itself.
func (r *Runner) Caller(client, server netip.AddrPort, owner string) (Caller, error) {
	who, err := callerOf(client, server, r.owned(owner), true)
	if who == CallerUser || who == CallerStranger {
		// It may call before its birth is known.
		r.registering.Lock()
		r.registering.Unlock() //nolint:staticcheck // what was held is over; nothing is changed here
		who, err = callerOf(client, server, r.owned(owner), true)
	}
	return who, err
}

func (r *Runner) owned(owner string) []*Process {
	var owned []*Process
	for _, p := range r.snapshot() {
		if p.owner == owner {
			owned = append(owned, p)
		}
	}
	return owned
}

// socket is one end of a connection: whose it is, and its inode, 0 when no
// process has it open any more.
type socket struct {
	uid   int
	inode uint64
}

func callerOf(client, server netip.AddrPort, owned []*Process, self bool) (Caller, error) {
	client, server = plain(client), plain(server)
	if !client.Addr().IsLoopback() || !server.Addr().IsLoopback() {
		return CallerStranger, nil
	}
	s, err := findSocket(client, server)
	if err != nil {
		return CallerUnknown, fmt.Errorf("cannot tell who has opened a connection: %w", err)
	}
	if s.inode == 0 {
		return CallerStranger, nil
	}
	if s.heldBy(owned) {
		return CallerOwn, nil
	}
	user := s.uid == os.Geteuid()
	if self && user {
		// Last, because this program may have tens of thousands of files open.
		if found, _ := holds(os.Getpid(), s.inode); found {
			return CallerOwn, nil
		}
	}
	if user || s.uid == 0 {
		return CallerUser, nil
	}
	return CallerStranger, nil
}

// plain returns an address of IPv4 as one, also when a socket of IPv6 has it.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// ends returns the addresses of a connection; not valid where it has none.
func ends(c net.Conn) (client, server netip.AddrPort) {
	return addressOf(c.RemoteAddr()), addressOf(c.LocalAddr())
}

func addressOf(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return plain(tcp.AddrPort())
}
