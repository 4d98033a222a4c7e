//go:build !linux

package process

import "syscall"

// inherited runs fork; this system has no limit that means nothing.
func (m mark) inherited(fork func() error) (unmarked, err error) { return nil, fork() }

func marked(func(mark) bool) []int { return nil }

func markedBy(func(mark) bool) map[mark][]int { return nil }

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }
