// Package daemon puts the parts of the server together: it is the only package
// that knows all the others.
//
// [Daemon] starts the parts in the order of their needs and stops them in the
// opposite one. Between them it has three adapters: the journal and the records
// join the engine and the environments to the store, the router joins both to
// the gateway, and control answers the REST API.
package daemon
