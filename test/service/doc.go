// Package service runs the real binary as a service manager does: told of by
// sd_notify, with sockets that were opened before, as another user.
package service
