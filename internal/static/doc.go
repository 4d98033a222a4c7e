// Package static answers requests with the files of a bundle: which file a path leads
// to, in which encoding, whether the client has it already, and which part of it is
// asked for.
//
// A Site reads its folder once, when it starts, and from then on answers for what it has
// found there alone: a path of a request is looked up among the names of those files and
// never given to the file system, so that no spelling of it leads outside. Files are
// opened below a root that the operating system keeps them in, and must have the size
// that they had.
//
// Answer does no I/O. Small files are kept in memory once they have been asked for, as
// far as the budget of the server goes; what is not kept is read by the carrier, piece by
// piece.
package static
