// Package datadir is the folder in which a server keeps everything: it is locked by one
// server at a time, private to its owner, and made whole where it can be when a server
// starts. What is damaged is set aside and reported, never deleted.
package datadir

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"teal"
)

// The files and folders of a data directory.
const (
	LockFile         = "lock"
	AdminToken       = "admin.token"
	URLKey           = "url.key"     // the secret of the key for function URLs
	AccessKey        = "access.key"  // what the secrets of tokens' access keys are made from
	SecretsKey       = "secrets.key" // what the secrets of apps are encrypted with
	AdminCertificate = "admin.crt"   // that the admin API has of itself
	AdminKey         = "admin.key"
	AdminAddress     = "admin.addr" // where the server listens, while it runs
	HTTPAddress      = "http.addr"
	HTTPSAddress     = "https.addr"
	Store            = "store"
	Bundles          = "bundles"
	Logs             = "logs"
	Zips             = "zips" // as AWS's interface got them
	Work             = "work"
	Checks           = "checks"
	Jobs             = "jobs" // commands that schedules run
	Recordings       = "recordings"
	Audit            = "audit"
	State            = "state" // what components keep, one folder for each app
)

// Dir is a data directory that this process holds alone.
type Dir struct {
	path string
	lock *os.File
}

// lockPatience is how long a start waits for the lock of the data directory. A server
// that was killed holds it until the kernel has taken down all of it.
const lockPatience = 2 * time.Second

// Open creates the directory where needed, takes it from everybody but its
// owner, and locks it. It returns teal.CodeDataInUse when another server goes on
// holding it for lockPatience, or until ctx ends.
//
// The path is made absolute first: children get paths below it in their command
// lines and variables, and run in a folder of their own.
func Open(ctx context.Context, path string, logger *slog.Logger) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, teal.Errorf(teal.CodeInvalidInput, "the folder that this runs in is gone: %w; choose an absolute data directory with --data", err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, teal.Errorf(teal.CodeInvalidInput, "the data directory %s cannot be created: %w; choose another with --data", path, err)
	}
	if err := keepPrivate(path, logger); err != nil {
		return nil, teal.Errorf(teal.CodeInvalidInput, "the data directory %s cannot be read: %w; choose another with --data", path, err)
	}
	lock, err := os.OpenFile(filepath.Join(path, LockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, teal.Errorf(teal.CodeInvalidInput, "the data directory %s cannot be written: %w; choose another with --data", path, err)
	}
	if err := awaitLock(ctx, lock, logger); err != nil {
		_ = lock.Close() // the lock is what matters
		return nil, teal.Errorf(teal.CodeDataInUse, "the data directory %s is in use by another teal server; stop that one, or choose another directory with --data", path)
	}
	return &Dir{path: path, lock: lock}, nil
}

// awaitLock takes the lock of a data directory, which may be another server's still.
func awaitLock(ctx context.Context, lock *os.File, logger *slog.Logger) error {
	err := lockExclusively(lock)
	if err == nil {
		return nil
	}
	logger.Warn("another teal server has the data directory; waiting for it to end", "path", filepath.Dir(lock.Name()), "at_most", lockPatience)
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for err != nil {
		select {
		case <-ctx.Done():
			return err
		case <-again.C:
			err = lockExclusively(lock)
		}
	}
	return nil
}

// keepPrivate takes a data directory, and what a server keeps directly in it, from
// everybody but its owner: code and secrets are in there, and whoever made the
// directory, systemd for one, may have left it open. Where the directory is not
// this user's to change, it says so.
func keepPrivate(path string, logger *slog.Logger) error {
	for _, name := range []string{"", AdminToken, URLKey, AccessKey, SecretsKey, AdminKey, AdminCertificate, Store, Bundles, Logs, Zips, Work, Checks, Jobs, Recordings, Audit, State} {
		at := filepath.Join(path, name)
		info, err := os.Stat(at)
		switch {
		case err == nil:
		case name == "":
			return err
		default: // missing, or for Mend and Secret, which can do without it
			continue
		}
		const others = 0o077
		mode := info.Mode()
		if mode&others == 0 {
			continue
		}
		if err := os.Chmod(at, mode&^others); err != nil {
			logger.Warn("other users of this machine can read what is in the data directory, code and secrets among it; make the server's user its owner, or take their permissions away", "path", at, "mode", mode.String(), "error", err)
			continue
		}
		logger.Warn("took the permissions of other users on the data directory away", "path", at, "mode", mode.String())
	}
	return nil
}

// Join returns the path of the file or folder of a name in it.
func (d *Dir) Join(name string) string { return filepath.Join(d.path, name) }

// Close gives the directory free.
func (d *Dir) Close() error { return d.lock.Close() }

// Path returns the absolute path.
func (d *Dir) Path() string { return d.path }

// InstanceName tells the resources of the server that has the directory from those of
// another server on the same machine.
func (d *Dir) InstanceName() string { return "teal-" + shortHash(d.path) }

// shortHash returns a name for a path that may stand in other names.
func shortHash(path string) string {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	sum := sha256.Sum256([]byte(path))
	return hex.EncodeToString(sum[:6])
}
