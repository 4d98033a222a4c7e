// Package systemd is what a server says to systemd and gets from it: that it is
// ready, stopping or alive, and sockets that were opened for it. It also has the unit
// that a server runs in. Where nobody speaks that protocol, all of it does nothing.
package systemd
