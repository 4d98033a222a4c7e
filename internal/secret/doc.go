// Package secret keeps the secrets of apps: encrypted in the store, in revisions that
// never change, and opened only for the program that refers to them.
//
// A value is encrypted with a key that is not in the store (see Keys), together with the
// app, name and revision that it is of, so that no record can take the place of another
// one. Nothing returns a value but Open and Value, which are for whoever starts a
// program; no error, log line or record has one.
//
// Which revisions there are is in memory, their values are not.
package secret
