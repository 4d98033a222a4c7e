// Package artifact keeps code bundles by their content.
//
// A bundle is a tree of regular files, empty folders and symbolic links. A link
// that is relative stays inside the bundle; an absolute one points to what the
// server's machine has there. The digest covers the canonical tree: sorted
// slash-separated paths, the executable bit, the content and the target of each
// link. It does not cover times, owners, other permission bits, or how a zip was
// packed: a folder and any zip of the same files have the same digest.
//
// Folders named .git are left out wherever they are. Of a folder that is scanned,
// what its IgnoreFile says is left out too; of a zip, nothing else is.
//
// Scan and Tree.WriteZip are the sending side, Store is the receiving side. Both
// read zips with the same code and apply the same rules, so what Scan accepts,
// Put accepts under the same limits.
package artifact

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"regexp"
	"slices"
	"strings"

	"teal"
)

// Limits bounds what a bundle may hold. A field that is zero means its default.
type Limits struct {
	Unpacked   teal.Bytes // all content together
	Packed     teal.Bytes // a zip as it is sent
	Files      int        // files, links and folders together
	PathLength int        // bytes of one path or one link target
}

// packedOverhead is what a zip may be larger than what is in it.
const packedOverhead = 50 * teal.MiB

// LimitsFor returns limits by what a bundle may hold unpacked; 0 is the default.
func LimitsFor(unpacked teal.Bytes) Limits {
	if unpacked == 0 {
		return Limits{}
	}
	return Limits{Unpacked: unpacked, Packed: unpacked + packedOverhead}
}

// Defaults of Limits.
const (
	DefaultUnpacked   = 250 * teal.MiB
	DefaultPacked     = 300 * teal.MiB
	DefaultFiles      = 100_000
	DefaultPathLength = 1024
)

func (l Limits) withDefaults() Limits {
	if l.Unpacked == 0 {
		l.Unpacked = DefaultUnpacked
	}
	if l.Packed == 0 {
		l.Packed = DefaultPacked
	}
	if l.Files == 0 {
		l.Files = DefaultFiles
	}
	if l.PathLength == 0 {
		l.PathLength = DefaultPathLength
	}
	return l
}

// Entry is one file, link or empty folder of a bundle.
type Entry struct {
	Path       string            // slash-separated, relative, clean
	Executable bool              // of a file: any execute permission is set
	Size       int64             // of a file: bytes of content
	Hash       [sha256.Size]byte // of a file: SHA-256 of the content
	Link       string            // the target of a link; "" for a file
	Folder     bool              // an empty folder; one that holds something is no entry
}

var digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// digestOf returns the digest of entries, which it sorts by path. Every field is
// written with its length, so that no two trees give the same bytes.
func digestOf(entries []Entry) string {
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	h := sha256.New()
	field(h, "teal bundle 1")
	for _, e := range entries {
		field(h, e.Path)
		switch {
		case e.Link != "":
			field(h, "link")
			field(h, e.Link)
		case e.Folder:
			field(h, "folder")
		case e.Executable:
			field(h, "executable")
			field(h, string(e.Hash[:]))
		default:
			field(h, "file")
			field(h, string(e.Hash[:]))
		}
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

func field(h hash.Hash, s string) {
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(s)))
	// A hash never returns an error.
	_, _ = h.Write(length[:])
	_, _ = h.Write([]byte(s))
}

func invalidf(format string, args ...any) error {
	return teal.Errorf(teal.CodeInvalidBundle, format, args...)
}

func tooLargef(format string, args ...any) error {
	return teal.Errorf(teal.CodeTooLarge, format, args...)
}
