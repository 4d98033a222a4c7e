package service

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const tcpTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0FA0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1265 1 00000000e4a58875 100 0 0 10 0
   1: 0A00000A:0FA0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1266 1 00000000e4a58875 100 0 0 10 0
   2: 00000000:0FA1 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1267 1 00000000e4a58875 100 0 0 10 0
   3: 0100007F:0FA0 0100007F:A363 01 00000000:00000000 03:0000168E 00000000     0        0 1268 3 000000006e3f4710
`

func TestParseListening(t *testing.T) {
	t.Parallel()
	for port, want := range map[int][]uint64{4000: {1265}, 4001: {1267}, 4002: nil} {
		got, err := parseListening(strings.NewReader(tcpTable), port)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("port %d: %v, %v; want %v", port, got, err, want)
		}
	}
}

func FuzzParseListening(f *testing.F) {
	f.Add(tcpTable, 4000)
	f.Add("", 0)
	f.Add("\n:\n a b c 0A e f g h i j\n", -1)
	f.Fuzz(func(t *testing.T, table string, port int) {
		got, _ := parseListening(strings.NewReader(table), port)
		for _, inode := range got {
			if !strings.Contains(table, strconv.FormatUint(inode, 10)) {
				t.Errorf("made up %d", inode)
			}
		}
	})
}

// everything and nothing have every socket open, and none.
type (
	everything struct{}
	nothing    struct{}
)

func (everything) FindSocket(inodes ...uint64) (uint64, error) { return inodes[0], nil }
func (nothing) FindSocket(...uint64) (uint64, error)           { return 0, nil }

func TestListenerKnowsItsOwn(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:0", "0.0.0.0:0", ":0"} {
		socket, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		port := socket.Addr().(*net.TCPAddr).Port
		own := &listener{process: everything{}, port: port}
		if err := own.verify(); err != nil || own.known == 0 {
			t.Errorf("%s: own socket: %v (known %d)", address, err, own.known)
		}
		if err := (&listener{process: nothing{}, port: port}).verify(); !errors.Is(err, errOtherProcess) {
			t.Errorf("%s: socket of another process: %v", address, err)
		}
		if err := socket.Close(); err != nil {
			t.Fatal(err)
		}
		own.process = nothing{} // another socket may get the port
		deadline := time.Now().Add(10 * time.Second)
		for own.verify() == nil { // a program that is being started has the socket until it runs
			if time.Now().After(deadline) {
				t.Fatalf("%s: closed, and still believed", address)
			}
			runtime.Gosched()
		}
	}
}

// While a port is reserved the kernel gives it to nobody who did not ask for it
// by number.
func TestAReservedPortIsNotHandedOut(t *testing.T) {
	t.Parallel()
	r, err := choose(true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.release() }()
	if socket, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", r.port)); err != nil {
		t.Errorf("whoever sets SO_REUSEADDR must be able to listen: %v", err)
	} else if err := socket.Close(); err != nil {
		t.Error(err)
	}
	for range 2000 {
		if port, err := choosePort(); err != nil || port == r.port {
			t.Fatalf("chose %d (%v), which is reserved", port, err)
		}
	}
}
