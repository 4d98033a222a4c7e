package process

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// The server tells the guard, in lines:
//
//	marks NUMBER     the processes of the server bear marks with that number
//	cgroups PREFIX   the paths of all cgroups of the server begin with PREFIX
//	+PGID START      the group runs; its leader was started at START (0: unknown)
//	-PGID            nothing is left of the group
//
// Cgroups are told beforehand, so that one that is being filled when the server
// dies is known.

func cgroupLine(prefix string) string       { return "cgroups " + prefix + "\n" }
func addLine(pgid int, start uint64) string { return fmt.Sprintf("+%d %d\n", pgid, start) }
func removeLine(pgid int) string            { return fmt.Sprintf("-%d\n", pgid) }

// Guard is the main function of the guard: it reads from r, the read end of a
// pipe that the server holds open, which process groups are running. When the
// server is gone, however it ended, r ends: then Guard kills every group that
// is still registered and every process in the server's cgroups or with its
// marks, removes the cgroups, and returns. It blocks until then and ignores SIGINT, SIGTERM and
// SIGHUP of the whole program.
func Guard(r io.Reader) error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	k := guardedGroups{groups: map[int]uint64{}}
	err := k.read(r)
	k.kill()
	return err
}

// guardedGroups is what the guard was told.
type guardedGroups struct {
	groups  map[int]uint64
	cgroups []string // prefixes
	marks   []mark
}

// read learns until r ends. A line that it does not understand is skipped and
// reported at the end: what the others say must not be lost for it.
func (k *guardedGroups) read(r io.Reader) error {
	var bad error
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil // and a line without its end was not meant yet
			}
			return errors.Join(bad, err)
		}
		if err := k.learn(strings.TrimSuffix(line, "\n")); err != nil && bad == nil {
			bad = err
		}
	}
}

func (k *guardedGroups) learn(line string) error {
	if number, ok := strings.CutPrefix(line, "marks "); ok {
		m, err := parseMarks(number)
		if err == nil {
			k.marks = append(k.marks, m)
		}
		return err
	}
	if prefix, ok := strings.CutPrefix(line, "cgroups "); ok {
		if _, ok := parseGroupName(filepath.Base(prefix)); !ok || !filepath.IsAbs(prefix) {
			return fmt.Errorf("guard: %q is not the path of a server's cgroups", prefix)
		}
		k.cgroups = append(k.cgroups, prefix)
		return nil
	}
	if line == "" || (line[0] != '+' && line[0] != '-') {
		return fmt.Errorf("guard: do not understand %q", line)
	}
	id, rest, _ := strings.Cut(line[1:], " ")
	pgid, err := strconv.ParseInt(id, 10, 32)
	if err != nil || pgid <= 1 {
		return fmt.Errorf("guard: %q is not a process group", id)
	}
	if line[0] == '-' {
		delete(k.groups, int(pgid))
		return nil
	}
	start, err := strconv.ParseUint(rest, 10, 64)
	if err != nil {
		return fmt.Errorf("guard: %q is not a time", rest)
	}
	k.groups[int(pgid)] = start
	return nil
}

func (k *guardedGroups) kill() {
	for pgid, start := range k.groups {
		// A leader with another start time got the ID after the whole group
		// was gone; a group without a leader still owns it.
		if now := startTime(pgid); start != 0 && now != 0 && now != start {
			continue
		}
		if pgid != syscall.Getpgrp() {
			killGroup(pgid)
		}
	}
	endMarked(func(m mark) bool { return slices.Contains(k.marks, m.runner()) }, cgroupRemoveTimeout)
	for _, prefix := range k.cgroups {
		name, _ := parseGroupName(filepath.Base(prefix))
		h := hierarchy{version: versionOf(filepath.Dir(prefix)), dir: filepath.Dir(prefix)}
		h.sweep(func(n groupName) bool { return n.of(name) })
	}
}

func killGroup(pgid int) {
	if err := syscall.Kill(-pgid, syscall.SIGKILL); err != nil {
		return // nobody is there
	}
}

// versionOf tells the version of the hierarchy that a directory belongs to.
func versionOf(dir string) int {
	if _, err := os.Stat(filepath.Join(dir, "cgroup.controllers")); err == nil {
		return 2
	}
	return 1
}
