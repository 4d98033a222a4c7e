// Package loop carries HTTP/1.1 on event loops, in cleartext and over TLS, from clients
// and to instances. It is Linux's alone.
//
//	listener_linux.go       the loops of one listener, and how connections are shared out
//	loop_linux.go           one loop: events, deadlines, mail
//	poller_linux.go         epoll, under Go's own poller
//	accept_linux.go         new connections
//	admission_linux.go      who has opened one, and what else is asked elsewhere
//	client_conn_linux.go    a client's connection and the states that it goes through
//	round_trip_linux.go     what is known of one request
//	proxy_linux.go          a request to an instance: from the claim to its end
//	request_head_linux.go   …its head, as the instance gets it
//	response_head_linux.go  …the head of the answer, as the client gets it
//	upstream_pool_linux.go  connections to instances, and who waits for one
//	function_linux.go       a request to a function
//	answer_linux.go         answers of Teal's own
//	socket_linux.go         one socket with its buffers; body_flow_linux.go moves bodies
//	                        from one to another
//	tls_linux.go            TLS between a socket and its buffers
//	handoff_linux.go        connections that go on elsewhere
//	syscall_linux.go        reading and writing
//
// Nothing of a loop is touched by another goroutine but its mail, and the socket of a
// client while its function runs. What a loop does not speak — HTTP/2, instances behind
// https — it hands over (see Handoff). It reads, writes and keeps the time; what a
// request means is decided in package exchange.
package loop
