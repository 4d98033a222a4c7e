package service

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// listener knows which process should be listening on which port.
type listener struct {
	pid, port int
	known     string // inode of a socket that was seen to belong to the process
}

// verify returns nil when a socket that listens on the port belongs to the
// process or to one of its descendants, errStranger when it belongs to somebody
// else, and errCannotTell when /proc does not say.
func (l *listener) verify() error {
	inodes, err := listening(l.port)
	if err != nil {
		return fmt.Errorf("%w: %w", errCannotTell, err)
	}
	if len(inodes) == 0 {
		return errors.New("the socket that answered has stopped listening")
	}
	if slices.Contains(inodes, l.known) {
		return nil
	}
	family, err := descendants(l.pid)
	if err != nil {
		return fmt.Errorf("%w: %w", errCannotTell, err)
	}
	verdict := errStranger
	for _, pid := range family {
		inode, err := holdsSocket(pid, inodes)
		if err != nil {
			verdict = fmt.Errorf("%w: %w", errCannotTell, err)
		}
		if inode != "" {
			l.known = inode
			return nil
		}
	}
	return verdict
}

// listening returns the inodes of the sockets that take connections to
// 127.0.0.1:port.
func listening(port int) ([]string, error) {
	var inodes []string
	for _, name := range []string{"tcp", "tcp6"} {
		file, err := os.Open(filepath.Join("/proc/self/net", name))
		if errors.Is(err, fs.ErrNotExist) && name == "tcp6" {
			continue // a machine without IPv6
		}
		if err != nil {
			return nil, err
		}
		found, err := parseListening(file, port)
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return nil, err
		}
		inodes = append(inodes, found...)
	}
	return inodes, nil
}

// Addresses as /proc/net has them: each 32-bit word in the machine's own order.
var loopbackAddresses = []string{
	"00000000", "0100007F", "7F000001",
	"00000000000000000000000000000000",
	"0000000000000000FFFF00000100007F", "00000000000000000000FFFF7F000001",
}

const stateListening = "0A"

// parseListening reads a table in the format of /proc/net/tcp. The kernel lists
// the listening sockets first, so reading stops at the first other one: the
// cost does not grow with the machine's connections.
func parseListening(table io.Reader, port int) ([]string, error) {
	var inodes []string
	suffix := fmt.Sprintf("%04X", port)
	lines := bufio.NewScanner(table)
	for header := true; lines.Scan(); header = false {
		fields := strings.Fields(lines.Text())
		if header || len(fields) < 10 {
			continue
		}
		if fields[3] != stateListening {
			break
		}
		address, hex, _ := strings.Cut(fields[1], ":")
		if hex == suffix && slices.Contains(loopbackAddresses, address) {
			inodes = append(inodes, fields[9])
		}
	}
	return inodes, lines.Err()
}

// descendants returns root and the processes that belong to it: by ancestry, or
// because they are in the process group or session that it leads.
func descendants(root int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	table := map[int]relation{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "stat"))
		if err != nil {
			continue // ended since the folder was read
		}
		if r, ok := parseStat(string(stat)); ok {
			table[pid] = r
		}
	}
	return family(table, root), nil
}

// relation is what /proc/PID/stat says about where a process comes from.
type relation struct{ parent, group, session int }

// parseStat reads the contents of /proc/PID/stat. The second field is the
// program's name in parentheses, which may itself hold anything.
func parseStat(stat string) (relation, bool) {
	end := strings.LastIndexByte(stat, ')')
	if end < 0 {
		return relation{}, false
	}
	fields := strings.Fields(stat[end+1:])
	if len(fields) < 4 {
		return relation{}, false
	}
	var numbers [3]int
	for i := range numbers {
		n, err := strconv.Atoi(fields[i+1])
		if err != nil {
			return relation{}, false
		}
		numbers[i] = n
	}
	return relation{parent: numbers[0], group: numbers[1], session: numbers[2]}, true
}

func family(table map[int]relation, root int) []int {
	var members []int
	for pid, r := range table {
		if pid == root || r.group == root || r.session == root || descends(table, pid, root) {
			members = append(members, pid)
		}
	}
	return members
}

func descends(table map[int]relation, pid, root int) bool {
	for range len(table) {
		r, ok := table[pid]
		if !ok {
			return false
		}
		if r.parent == root {
			return true
		}
		pid = r.parent
	}
	return false
}

// holdsSocket returns which of the inodes the process has open, or "".
func holdsSocket(pid int, inodes []string) (string, error) {
	folder := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join(folder, entry.Name()))
		if err != nil {
			continue // closed since the folder was read
		}
		inode, ok := strings.CutPrefix(target, "socket:[")
		inode = strings.TrimSuffix(inode, "]")
		if ok && slices.Contains(inodes, inode) {
			return inode, nil
		}
	}
	return "", nil
}
