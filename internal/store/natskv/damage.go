package natskv

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"teal"
)

// The server recovers from damage by leaving out what it cannot read, and says
// nothing about it: records would be gone and revisions would be used again.
// Two small files beside its own make that an error instead. The seal holds the
// checksums of a directory that was closed in good order; the mark holds the
// highest revision that was ever acknowledged, which a directory that was not
// must still contain.
const (
	sealFile = "seal.json"
	markFile = "mark"
)

// ErrDamaged is wrapped by Open's error when the data directory does not hold
// what was written to it.
var ErrDamaged = errors.New("natskv: the data directory is damaged")

func damaged(dir, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	return &teal.Error{Code: teal.CodeInternal, Err: fmt.Errorf("%w: %s", ErrDamaged, what),
		Message: "The data directory " + filepath.Clean(dir) + " is damaged: " + what + ". Restore it from a backup."}
}

// breakSeal compares dir with its seal and removes that, because from now on the
// files change. Without a seal the server was killed or the directory is new; one
// that cannot be read says no more than none.
func breakSeal(dir string) error {
	path := filepath.Join(dir, sealFile)
	data, err := os.ReadFile(path)
	var sealed map[string]string
	if err == nil {
		err = json.Unmarshal(data, &sealed)
	}
	intact := err == nil && len(sealed) > 0
	if intact {
		if intact, err = compare(dir, sealed); err != nil {
			return err
		}
	}
	if !intact {
		if err := distrustIndex(dir); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("natskv: %w", err)
	}
	return syncDir(dir)
}

// compare looks whether dir holds what was sealed. It reports false when only a
// file differs that the server makes anew from its messages.
func compare(dir string, sealed map[string]string) (intact bool, err error) {
	found, err := checksums(dir)
	if err != nil {
		return false, damaged(dir, "%v", err)
	}
	intact = true
	for name, sum := range sealed {
		switch got := found[name]; {
		case got == sum:
		case slices.Contains(derived, filepath.Base(name)):
			intact = false
		case got == "":
			return false, damaged(dir, "the file %s is missing", name)
		default:
			return false, damaged(dir, "the file %s is not as it was when Teal last closed it", name)
		}
	}
	return intact, nil
}

// derived are the files that the server makes from its messages: an index, and
// when messages expire.
var derived = []string{"index.db", "thw.db"}

// distrustIndex removes what the server has derived from its message files. It was
// not written in good order, and with an index the server does not check the
// messages: one wrong bit in a sequence number can make it fill the memory.
func distrustIndex(dir string) error {
	for _, name := range derived {
		files, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "*", "msgs", name))
		for _, file := range files {
			err = errors.Join(err, os.RemoveAll(file))
		}
		if err != nil {
			return fmt.Errorf("natskv: %w", err)
		}
	}
	return nil
}

// rewriteNewest writes the server's newest message files once more. After a sync
// that has failed, a file reads as it was written and the disk may have something
// else: the system does not try to write those pages again.
func rewriteNewest(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "*", "msgs", "*.blk"))
	if err != nil {
		return fmt.Errorf("natskv: %w", err)
	}
	newest := map[string]int{}
	for _, file := range files {
		number, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(file), ".blk"))
		if err == nil {
			newest[filepath.Dir(file)] = max(newest[filepath.Dir(file)], number)
		}
	}
	for folder, number := range newest {
		file := filepath.Join(folder, strconv.Itoa(number)+".blk")
		data, err := os.ReadFile(file)
		if err == nil {
			// Not beside it: the server would take what a crash leaves for one of its own.
			err = writeDurably(file, data, dir)
		}
		if err != nil {
			return fmt.Errorf("natskv: write %s once more: %w", file, err)
		}
	}
	return nil
}

// seal writes down what is in dir; the server must be down.
func seal(dir string) error {
	sums, err := checksums(dir)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(sums, "", " ")
	if err != nil {
		return err
	}
	return writeDurably(filepath.Join(dir, sealFile), data, dir)
}

// checksums returns the hash of every file of the server's, by its path in dir.
func checksums(dir string) (map[string]string, error) {
	sums := map[string]string{}
	err := filepath.WalkDir(filepath.Join(dir, "jetstream"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		sums[name], err = checksum(path)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return sums, err
}

func checksum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	_, err = io.Copy(hash, file)
	return hex.EncodeToString(hash.Sum(nil)), errors.Join(err, file.Close())
}

// writeDurably replaces a file in one step, by way of one in the folder temp.
func writeDurably(path string, data []byte, temp string) error {
	file, err := os.CreateTemp(temp, filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// mark is the highest revision acknowledged so far, in a file. It is written
// without a sync: what a crash of the machine leaves of it is an older mark,
// which is weaker and never wrong.
type mark struct {
	mu   sync.Mutex
	file *os.File
	high uint64
}

const markWidth = 20 // digits of the largest uint64

func openMark(dir string) (*mark, error) {
	file, err := os.OpenFile(filepath.Join(dir, markFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("natskv: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(file, 2*markWidth))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("natskv: %w", err), file.Close())
	}
	m := &mark{file: file}
	if len(data) == 0 {
		return m, nil
	}
	if m.high, err = strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64); err != nil {
		return nil, errors.Join(damaged(dir, "the file %s cannot be read", markFile), file.Close())
	}
	return m, nil
}

// raise records an acknowledged revision. An error is no reason to fail the
// write that it is about: the old mark still holds.
func (m *mark) raise(revision uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if revision <= m.high {
		return
	}
	text := fmt.Appendf(nil, "%0*d\n", markWidth, revision)
	if _, err := m.file.WriteAt(text, 0); err == nil {
		m.high = revision
	}
}

// check returns ErrDamaged when the newest revision that the server found is
// below the mark.
func (m *mark) check(dir string, newest uint64, warnings []string) error {
	m.mu.Lock() // a write that the session before has acknowledged may still be on its way here
	high := m.high
	m.mu.Unlock()
	if newest >= high {
		return nil
	}
	what := fmt.Sprintf("revision %d was saved, but only %d can be read", high, newest)
	if len(warnings) > 0 {
		what += " (" + strings.Join(slices.Compact(warnings), "; ") + ")"
	}
	return damaged(dir, "%s", what)
}
