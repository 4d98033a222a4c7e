// Package service keeps the endpoints of one component of one environment: the
// processes of a service, each listening on a port of its own, or the addresses
// of an upstream. Both stand behind the same health checks and the same choice.
//
// A [Set] is built by [New], works inside [Set.Run], and hands out endpoints
// with [Set.Claim], which is lock-free and allocates nothing. What one
// endpoint's health becomes after each event is decided by a pure state machine
// (health.go); processes, sockets and timers are around it.
//
// # Ports
//
// The kernel chooses the port of every start. On Linux a socket that is bound to
// it with SO_REUSEADDR, but never listens, keeps it for as long as the process
// lives: the kernel gives it to nobody else, neither for port 0 nor for an
// outgoing connection, while the process itself may bind it because it sets
// SO_REUSEADDR too. Python's http.server and asyncio, Node and Go do so (tested
// here), as do most servers. A program that does not set it fails to
// bind and exits; its next start is given a fresh port without that reservation.
// It also means that a request for a process that has just died is refused and
// never reaches a stranger. On other systems the port is only chosen, not kept.
//
// A check counts only when the socket that listens on the port belongs to the
// process that was started or to one of its descendants (Linux; elsewhere
// whoever answers is believed, and the log says so).
package service
