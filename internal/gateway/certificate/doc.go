// Package certificate serves TLS certificates from files, and takes up what
// changes in them while connections go on.
//
// A [Files] is opened on pairs of files and folders of pairs; what cannot be
// used then is an error. From then on [Files.Run] looks at them every few
// seconds. A pair that has changed and fits together replaces the one before for
// the handshakes that follow; connections that exist keep the session that they
// have. A pair that has changed into something unusable changes nothing but the
// log: the certificate in use stays until the files are right again.
//
// The files are read, not watched: that a mount, a link or a copy has changed is
// told by their content alone, whoever changed it in whatever way.
package certificate
