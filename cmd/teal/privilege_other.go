//go:build !linux

package main

// keepPrivileges does nothing: only Linux has ambient capabilities.
func keepPrivileges() {}
