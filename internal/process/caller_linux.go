package process

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// findSocket returns the client's end of a connection. It asks the kernel about
// that one connection; where it cannot be asked, it reads the whole table.
func findSocket(client, server netip.AddrPort) (socket, error) {
	s, err := askSocket(client, server)
	if err == nil {
		return s, nil
	}
	return readSocket(client, server)
}

// Lengths of what is said on a socket of sock_diag(7), and where an answer has
// what is wanted.
const (
	lenHeader   = unix.SizeofNlMsghdr
	lenQuestion = lenHeader + 56
	lenAnswer   = lenHeader + 72
	atUID       = lenHeader + 64
	atInode     = lenHeader + 68
)

func askSocket(client, server netip.AddrPort) (s socket, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_INET_DIAG)
	if err != nil {
		return s, os.NewSyscallError("socket", err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}); err != nil {
		return s, os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Sendto(fd, socketQuery(client, server), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return s, os.NewSyscallError("sendto", err)
	}
	var answer [1024]byte
	n, _, err := unix.Recvfrom(fd, answer[:], 0)
	if err != nil {
		return s, os.NewSyscallError("recvfrom", err)
	}
	if n < lenAnswer || binary.NativeEndian.Uint16(answer[4:]) != unix.SOCK_DIAG_BY_FAMILY {
		return s, errors.New("the kernel does not know the connection")
	}
	return socket{
		uid:   int(binary.NativeEndian.Uint32(answer[atUID:])),
		inode: uint64(binary.NativeEndian.Uint32(answer[atInode:])),
	}, nil
}

// socketQuery is a struct nlmsghdr and a struct inet_diag_req_v2 about one
// connection, in any state, as its client sees it.
func socketQuery(client, server netip.AddrPort) []byte {
	q := make([]byte, lenQuestion)
	binary.NativeEndian.PutUint32(q, lenQuestion)
	binary.NativeEndian.PutUint16(q[4:], unix.SOCK_DIAG_BY_FAMILY)
	binary.NativeEndian.PutUint16(q[6:], unix.NLM_F_REQUEST)
	body := q[lenHeader:]
	body[0], body[1] = unix.AF_INET, unix.IPPROTO_TCP
	if client.Addr().Is6() {
		body[0] = unix.AF_INET6
	}
	binary.NativeEndian.PutUint32(body[4:], ^uint32(0))
	id := body[8:]
	binary.BigEndian.PutUint16(id, client.Port())
	binary.BigEndian.PutUint16(id[2:], server.Port())
	copy(id[4:20], client.Addr().AsSlice())
	copy(id[20:36], server.Addr().AsSlice())
	copy(id[40:48], "\xff\xff\xff\xff\xff\xff\xff\xff") // no cookie
	return q
}

// readSocket looks for the client's end in the kernel's tables. A connection that
// is in none of them is nobody's any more.
func readSocket(client, server netip.AddrPort) (socket, error) {
	for _, name := range []string{"tcp", "tcp6"} {
		file, err := os.Open(filepath.Join("/proc/self/net", name))
		if errors.Is(err, fs.ErrNotExist) && name == "tcp6" {
			continue // a machine without IPv6
		}
		if err != nil {
			return socket{}, err
		}
		s, err := parseSocket(file, client, server)
		if err = errors.Join(err, file.Close()); err != nil || s.inode != 0 {
			return s, err
		}
	}
	return socket{}, nil
}

// parseSocket reads a table in the format of /proc/net/tcp or tcp6, in which a
// program that uses IPv6 for everything has its IPv4 connections, too.
func parseSocket(table io.Reader, client, server netip.AddrPort) (socket, error) {
	plain := [2]string{hexAddress(client, false), hexAddress(server, false)}
	mapped := [2]string{hexAddress(client, true), hexAddress(server, true)}
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 {
			continue
		}
		if between := [2]string{fields[1], fields[2]}; between != plain && between != mapped {
			continue
		}
		uid, err1 := strconv.Atoi(fields[7])
		inode, err2 := strconv.ParseUint(fields[9], 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return socket{}, fmt.Errorf("read the table of connections: %w", err)
		}
		return socket{uid: uid, inode: inode}, nil
	}
	return socket{}, lines.Err()
}

// hexAddress writes an address as the tables have it: each 32-bit word in the
// machine's own order.
func hexAddress(at netip.AddrPort, mapped bool) string {
	bytes := at.Addr().AsSlice()
	if mapped {
		whole := at.Addr().As16()
		bytes = whole[:]
	}
	var text strings.Builder
	for ; len(bytes) >= 4; bytes = bytes[4:] {
		fmt.Fprintf(&text, "%08X", binary.NativeEndian.Uint32(bytes))
	}
	return fmt.Sprintf("%s:%04X", text.String(), at.Port())
}

// heldBy reports whether one of the processes, or one that belongs to them, has
// the socket open. Of one whose files this program may not see, the user must do.
func (s socket) heldBy(owned []*Process) bool {
	for members := range membersOf(owned) {
		for _, pid := range members {
			found, err := holds(pid, s.inode)
			if found || (err != nil && userOf(pid) == s.uid) {
				return true
			}
		}
	}
	return false
}

// FindSocket returns which of the sockets, given by their inodes, p or a process
// that belongs to it has open, 0 for none. An error means that none was found
// and that there are processes whose files this program may not see.
func (p *Process) FindSocket(inodes ...uint64) (uint64, error) {
	var blind error
	for members := range membersOf([]*Process{p}) {
		for _, pid := range members {
			inode, err := openSocket(pid, inodes)
			if inode != 0 {
				return inode, nil
			}
			blind = errors.Join(blind, err)
		}
	}
	return 0, blind
}

// membersOf yields the processes that belong to some, in three lots of which each
// costs more than the one before: they themselves, what is in their cgroups or
// bears their marks, and their families. It may yield one twice.
func membersOf(owned []*Process) func(yield func([]int) bool) {
	return func(yield func([]int) bool) {
		for _, lot := range []func([]*Process) []int{leaders, followers, ownedTree} {
			if !yield(lot(owned)) {
				return
			}
		}
	}
}

// leaders returns the processes themselves but for those that have been reaped:
// their IDs may be others' by now.
func leaders(owned []*Process) []int {
	var pids []int
	for _, p := range owned {
		p.mu.Lock()
		if !p.reaped {
			pids = append(pids, p.pid)
		}
		p.mu.Unlock()
	}
	return pids
}

func followers(owned []*Process) []int {
	var pids []int
	for _, p := range owned {
		pids = append(pids, p.members()...)
	}
	return pids
}

// ownedTree returns the processes that belong to some, and these themselves: by
// descent, or because they are in the process group or session that one leads.
func ownedTree(owned []*Process) []int {
	roots := leaders(owned)
	if len(roots) == 0 {
		return nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	table := map[int]parentage{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		// One that has ended since the folder was read has no text.
		if r, ok := parseStat(readText(filepath.Join("/proc", entry.Name(), "stat"))); ok {
			table[pid] = r
		}
	}
	var pids []int
	for _, root := range roots {
		pids = append(pids, family(table, root)...)
	}
	return pids
}

// parentage is what /proc/PID/stat says about where a process comes from.
type parentage struct{ parent, group, session int }

// parseStat reads the contents of /proc/PID/stat. The second field is the
// program's name in parentheses, which may itself hold anything.
func parseStat(stat string) (parentage, bool) {
	end := strings.LastIndexByte(stat, ')')
	if end < 0 {
		return parentage{}, false
	}
	fields := strings.Fields(stat[end+1:])
	if len(fields) < 4 {
		return parentage{}, false
	}
	var numbers [3]int
	for i := range numbers {
		n, err := strconv.Atoi(fields[i+1])
		if err != nil {
			return parentage{}, false
		}
		numbers[i] = n
	}
	return parentage{parent: numbers[0], group: numbers[1], session: numbers[2]}, true
}

func family(table map[int]parentage, root int) []int {
	var members []int
	for pid, r := range table {
		if pid == root || r.group == root || r.session == root || descends(table, pid, root) {
			members = append(members, pid)
		}
	}
	return members
}

func descends(table map[int]parentage, pid, root int) bool {
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

func holds(pid int, inode uint64) (bool, error) {
	found, err := openSocket(pid, []uint64{inode})
	return found != 0, err
}

// openSocket returns which of the sockets a process has open, 0 for none. A process
// that has ended has none.
func openSocket(pid int, inodes []uint64) (uint64, error) {
	folder, err := os.Open(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
	if err != nil {
		return 0, ignoreEnded(err)
	}
	defer func() { _ = folder.Close() }()
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return 0, ignoreEnded(err)
	}
	for _, name := range names {
		target, err := os.Readlink(filepath.Join(folder.Name(), name))
		if err != nil {
			continue // closed since the folder was read
		}
		number, ok := strings.CutPrefix(target, "socket:[")
		inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64)
		if ok && err == nil && slices.Contains(inodes, inode) {
			return inode, nil
		}
	}
	return 0, nil
}

func ignoreEnded(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// userOf returns the effective user of a process, -1 when it cannot be known.
func userOf(pid int) int {
	for line := range strings.Lines(readText(filepath.Join("/proc", strconv.Itoa(pid), "status"))) {
		if f := strings.Fields(line); len(f) >= 3 && f[0] == "Uid:" {
			if uid, err := strconv.Atoi(f[2]); err == nil {
				return uid
			}
		}
	}
	return -1
}
