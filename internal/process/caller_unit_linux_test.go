package process

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func FuzzParseStat(f *testing.F) {
	f.Add("42 (web) S 1 42 42 0 -1")
	f.Add("42 (a) b) S 7 8 9)")
	f.Add("42 (")
	f.Add("")
	f.Fuzz(func(t *testing.T, stat string) {
		r, ok := parseStat(stat)
		if !ok && r != (parentage{}) {
			t.Errorf("%+v, but not ok", r)
		}
	})
}

func TestParseStatWithAnOddName(t *testing.T) {
	t.Parallel()
	got, ok := parseStat("42 (x) S 9 9 (9) R 7 40 39 0")
	if !ok || got != (parentage{7, 40, 39}) {
		t.Errorf("%+v, %v", got, ok)
	}
}

// A process belongs to a root when the root is reached by going up; loops, which
// a table read while processes end can hold, must not hang.
func TestFamilyByAncestry(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "processes")
		table := map[int]parentage{}
		for pid := 1; pid <= n; pid++ {
			table[pid] = parentage{parent: rapid.IntRange(0, n).Draw(t, "parent"), group: 1000, session: 1000}
		}
		reached := []int{1}
		for range n {
			for pid, r := range table {
				if slices.Contains(reached, r.parent) && !slices.Contains(reached, pid) {
					reached = append(reached, pid)
				}
			}
		}
		got := family(table, 1)
		slices.Sort(got)
		slices.Sort(reached)
		if !slices.Equal(got, reached) {
			t.Fatalf("family of 1 in %v is %v, want %v", table, got, reached)
		}
	})
}

const connectionTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0FA0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1265 1 00000000e4a58875 100 0 0 10 0
   3: 0100007F:0FA0 0100007F:A363 01 00000000:00000000 03:0000168E 00000000  1000        0 1268 3 000000006e3f4710
   4: 0100007F:A363 0100007F:0FA0 01 00000000:00000000 03:0000168E 00000000  1001        0 1269 3 000000006e3f4710
`

func FuzzParseSocket(f *testing.F) {
	f.Add(connectionTable)
	f.Add("")
	f.Add("a 0100007F:A363 0100007F:0FA0 01 x x x many x none\n")
	client, server := netip.MustParseAddrPort("127.0.0.1:41827"), netip.MustParseAddrPort("127.0.0.1:4000")
	f.Fuzz(func(t *testing.T, table string) {
		got, err := parseSocket(strings.NewReader(table), client, server)
		if table == connectionTable && (err != nil || got != socket{uid: 1001, inode: 1269}) {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// What the kernel says of one connection is what its tables say, also of the
// IPv4 connection of a program that has only sockets of IPv6, and nothing of a
// connection that is not there. Seen red with a parser that knows IPv4 alone.
func TestBothWaysFindTheSameSocket(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp4", "tcp6", "mapped"} {
		address := map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0", "mapped": "127.0.0.1:0"}[network]
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		dial, to := net.Dial, l.Addr().String()
		if network == "mapped" {
			dial = dialMapped
		}
		c, err := dial("tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		accepted, err := l.Accept() // returns at once: who has dialled is in the queue
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = accepted.Close() }()
		client, server := ends(accepted)
		read, err := readSocket(client, server)
		asked, askErr := askSocket(client, server)
		if errors.Join(err, askErr) != nil || read != asked || read.uid != os.Geteuid() {
			t.Errorf("%s: read %+v (%v), asked %+v (%v)", network, read, err, asked, askErr)
		}
		if found, err := holds(os.Getpid(), read.inode); err != nil || !found {
			t.Errorf("%s: this process has no socket %d: %v", network, read.inode, err)
		}
		elsewhere := netip.AddrPortFrom(server.Addr(), server.Port()-1)
		if s, err := findSocket(client, elsewhere); err != nil || s != (socket{}) {
			t.Errorf("%s: a connection that is not there: %+v, %v", network, s, err)
		}
	}
}

// dialMapped connects as a program does that has only sockets of IPv6.
func dialMapped(_, address string) (net.Conn, error) {
	to := netip.MustParseAddrPort(address)
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "socket")
	defer func() { _ = file.Close() }()
	if err := unix.Connect(fd, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}); err != nil {
		return nil, err
	}
	return net.FileConn(file)
}
