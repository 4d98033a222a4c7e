//go:build linux

package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the times in /proc/PID/stat.
const tick = 10 * time.Millisecond

// family returns a process and everything below it.
func family(pid int) []int {
	all := []int{pid}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		for _, child := range strings.Fields(readFile(task)) {
			if n, err := strconv.Atoi(child); err == nil {
				all = append(all, family(n)...)
			}
		}
	}
	return all
}

// cpuOf returns the CPU time that a proxy has used: its processes', and those of
// the processes that it has waited for.
func cpuOf(pid int) time.Duration {
	var total time.Duration
	for _, member := range family(pid) {
		stat := readFile(fmt.Sprintf("/proc/%d/stat", member))
		if end := strings.LastIndexByte(stat, ')'); end > 0 {
			fields := strings.Fields(stat[end+1:])
			for _, i := range []int{11, 12, 13, 14} { // utime, stime, and those of ended children
				if i < len(fields) {
					n, _ := strconv.Atoi(fields[i])
					total += time.Duration(n) * tick
				}
			}
		}
	}
	return total
}

// residentOf returns the bytes that a proxy has in memory.
func residentOf(pid int) int64 {
	var total int64
	for _, member := range family(pid) {
		for line := range strings.Lines(readFile(fmt.Sprintf("/proc/%d/smaps_rollup", member))) {
			if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Pss:" {
				n, _ := strconv.ParseInt(fields[1], 10, 64)
				total += n << 10
			}
		}
	}
	return total
}

// machine describes where the numbers are from.
func machine() string {
	model := "unknown processor"
	for line := range strings.Lines(readFile("/proc/cpuinfo")) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	kernel := strings.TrimSpace(readFile("/proc/sys/kernel/osrelease"))
	load := strings.Fields(readFile("/proc/loadavg"))
	return fmt.Sprintf("%s, %d processors, Linux %s; load average at the end %s", model, processors(), kernel, strings.Join(load[:min(3, len(load))], " "))
}

func processors() int {
	n := 0
	for line := range strings.Lines(readFile("/proc/cpuinfo")) {
		if strings.HasPrefix(line, "processor") {
			n++
		}
	}
	return max(n, 1)
}
