package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of the times in /proc/PID/stat; Linux has had no other for
// decades.
const tick = 10 * time.Millisecond

// cpuOf returns the CPU time that a process has used, to 10 ms; 0 where there is
// no /proc.
func cpuOf(pid int) time.Duration {
	fields := statOf(pid)
	if len(fields) < 15 {
		return 0
	}
	user, _ := strconv.Atoi(fields[13])
	system, _ := strconv.Atoi(fields[14])
	return time.Duration(user+system) * tick
}

// busyCPU returns the CPU time that everything on the machine has used since it
// started; 0 where there is no /proc.
func busyCPU() time.Duration {
	line, _, _ := strings.Cut(readFile("/proc/stat"), "\n")
	fields := strings.Fields(line)
	var ticks int
	for i, field := range fields {
		// cpu user nice system idle iowait irq softirq steal …
		if i >= 1 && i <= 8 && i != 4 && i != 5 {
			n, _ := strconv.Atoi(field)
			ticks += n
		}
	}
	return time.Duration(ticks) * tick
}

// othersShare returns the percentage of the machine that others than this
// program, and what it started and has waited for, used of a busy time; -1 when
// that is not known.
func othersShare(busy, wall time.Duration) float64 {
	if busy <= 0 {
		return -1
	}
	ours := usedCPU(syscall.RUSAGE_SELF) + usedCPU(syscall.RUSAGE_CHILDREN)
	return max(0, 100*float64(busy-ours)/float64(wall)/float64(runtime.NumCPU()))
}

// usedCPU returns the CPU time that this process has used, or those that it has
// waited for.
func usedCPU(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// statOf returns the fields of /proc/PID/stat; the second, which may hold
// spaces, is left empty.
func statOf(pid int) []string {
	text := readFile(fmt.Sprintf("/proc/%d/stat", pid))
	end := strings.LastIndexByte(text, ')')
	if end < 0 {
		return nil
	}
	return append([]string{strconv.Itoa(pid), ""}, strings.Fields(text[end+1:])...)
}

// child is a process that a server has started.
type child struct {
	pid     int
	command string
}

// childrenOf returns the processes whose parent is pid.
func childrenOf(pid int) []child {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	var list []child
	for _, path := range stats {
		id, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		if fields := statOf(id); len(fields) > 3 && fields[3] == strconv.Itoa(pid) {
			command := strings.ReplaceAll(readFile(fmt.Sprintf("/proc/%d/cmdline", id)), "\x00", " ")
			list = append(list, child{id, strings.TrimSpace(command)})
		}
	}
	return list
}

// memory is what a process holds, in MB: all of it, and with the pages that it
// shares with others counted in part.
type memory struct{ rss, pss float64 }

// mega is the unit in which memory and files are printed.
const mega = 1e6

// memoryOf returns the resident memory of a process, whole and as its
// proportional share.
func memoryOf(pid int) (memory, error) {
	path := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
	data, err := os.ReadFile(path)
	if err != nil {
		return memory{}, err
	}
	rss, err1 := kilobytes(string(data), "Rss")
	pss, err2 := kilobytes(string(data), "Pss")
	return memory{rss: rss * 1024 / mega, pss: pss * 1024 / mega}, errors.Join(err1, err2)
}

func kilobytes(text, key string) (float64, error) {
	number, _, _ := strings.Cut(after(text, key), " ")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, fmt.Errorf("%s of smaps_rollup: %w", key, err)
	}
	return v, nil
}
