// Package loop carries HTTP/1.1 on event loops, one for each processor, in cleartext
// and over TLS, from clients and to instances. It is Linux's alone.
//
//	loop_linux.go           one loop: events, deadlines, turns, mail
//	poller_linux.go         epoll under Go's own poller
//	listener_linux.go       the loops of one listener; how connections are shared out
//	client_conn_linux.go    a client's connection and the states that it goes through
//	request_head_linux.go   …
//	upstream_pool_linux.go  connections to instances, and who waits for one
//	proxy_linux.go          a request to an instance, from the claim to its end
//	function_linux.go       a request to a function
//	socket_linux.go         one socket with its buffers
//	tls_linux.go            TLS between a socket and its buffers
//	handoff_linux.go        connections that go on elsewhere
//
// Nothing of a loop is touched by another goroutine but its mail, and the socket of a
// client while its function runs. What a loop does not speak — HTTP/2, instances behind
// https — it hands over (see Handoff). It reads, writes and keeps the time; what a
// request means is decided in package exchange.
package loop
