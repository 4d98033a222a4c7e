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
	process owner
	port    int
	known   uint64 // inode of a socket that was seen to belong to the process
}

// verify returns nil when a socket that listens on the port belongs to the
// process or to one that belongs to it, errStranger when it belongs to somebody
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
	inode, err := l.process.FindSocket(inodes...)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errCannotTell, err)
	case inode == 0:
		return errOtherProcess
	}
	l.known = inode
	return nil
}

// listening returns the inodes of the sockets that take connections to
// 127.0.0.1:port.
func listening(port int) ([]uint64, error) {
	var inodes []uint64
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
func parseListening(table io.Reader, port int) ([]uint64, error) {
	var inodes []uint64
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
			inode, err := strconv.ParseUint(fields[9], 10, 64)
			if err != nil {
				return nil, err
			}
			inodes = append(inodes, inode)
		}
	}
	return inodes, lines.Err()
}
