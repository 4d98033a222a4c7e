package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// machine is what the figures depend on.
type machine struct {
	CPU    string `json:"cpu"`
	CPUs   int    `json:"cpus"`
	System string `json:"system"`
	Go     string `json:"go"`
}

func lookAtMachine() machine {
	m := machine{CPU: runtime.GOARCH, CPUs: runtime.NumCPU(), System: runtime.GOOS, Go: runtime.Version()}
	if model := after(readFile("/proc/cpuinfo"), "model name"); model != "" {
		m.CPU = model
	}
	if release := strings.TrimSpace(readFile("/proc/sys/kernel/osrelease")); release != "" {
		m.System = "Linux " + release
	}
	return m
}

// String returns one line.
func (m machine) String() string {
	return fmt.Sprintf("%s, %d CPUs, %s, %s", m.CPU, m.CPUs, m.System, m.Go)
}

// readFile returns the content of a file of /proc, "" where there is none.
func readFile(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(data)
}

// after returns what stands behind "key :" on the first line that begins with
// key.
func after(text, key string) string {
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
