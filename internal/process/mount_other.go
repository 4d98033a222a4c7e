//go:build !linux

package process

import "errors"

// view is how a process sees the file system. Here all see the same.
type view struct {
	readOnly []string
	tmp      string
	needed   []string
}

func surveyMounts() error { return errors.New("this system has no mount namespaces") }

func (v view) within(f func() error) error { return f() }
