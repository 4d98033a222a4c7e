// Package access knows who may do what on a server: tokens with roles, what they
// prove, and the audit of every order.
//
// A token is `teal_ID_SECRET`. Its record holds the ID and the hash of the whole, so
// that whoever reads the store cannot use it. The server's own token, which is in its
// data directory, is an admin's and has no record: with the machine comes the server.
package access
