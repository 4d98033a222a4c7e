package api

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"teal"
)

func TestProblemOfAFullDisk(t *testing.T) {
	err := fmt.Errorf("store bundle: %w", &os.PathError{Op: "write", Path: "/data/secret", Err: syscall.ENOSPC})
	p := problemOf(err)
	if p.Status != 503 || p.Code != teal.CodeDiskFull || !strings.Contains(p.Detail, "disk is full") || strings.Contains(p.Detail, "secret") {
		t.Errorf("%+v", p)
	}
}
