//go:build !linux

package artifact

// syncTree makes a folder durable. Only Linux can sync many files at once.
func syncTree(folder string, _ int) error { return syncEach(folder) }
