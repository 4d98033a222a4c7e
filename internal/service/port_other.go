//go:build !linux

package service

const canReserve = false

func reservePort() (reservation, error) { return choose(false) }
