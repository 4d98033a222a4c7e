package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// keepPrivileges keeps what this process may do, such as listen on port 80, from what
// it starts: without it, every instance would inherit the ambient capabilities that a
// service manager gave the server. A kernel that does not know them has none to give.
func keepPrivileges() {
	_, _, _ = syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, 0)
}
