package natskv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"teal"
)

// Defaults of Config and Remote.
const (
	DefaultBucket    = "teal"
	DefaultMarkerTTL = time.Hour
)

const (
	// A message is a value and a few headers.
	maxPayload = 8 << 20
	// Only the state of watches is in the server's memory storage.
	maxMemoryStorage = 64 << 20
	// The disk is the limit. A figure is needed because the server otherwise
	// takes three quarters of what is free when it starts, and would refuse
	// writes to a directory that has since been moved to a fuller disk.
	maxFileStorage = 1 << 50
	startTimeout   = 30 * time.Second
)

// Config says how to open an embedded server.
type Config struct {
	Dir       string       // made when it does not exist; one process at a time may have it open
	Bucket    string       // "": DefaultBucket
	Logger    *slog.Logger // gets the server's warnings and errors; nil: nobody does
	MarkerTTL time.Duration
}

// Open starts a server on cfg.Dir that listens on no port, and returns its
// bucket. It blocks until the data has been recovered and checked; a deadline of
// ctx bounds that.
//
// The error has teal.CodeDataInUse when another process has the directory open,
// and wraps ErrDamaged when what is in it is not what was written. A directory
// that was closed in good order is then left untouched; in one whose last owner
// was killed the server may have cut off what it could not read.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	cfg.Bucket, cfg.MarkerTTL = withDefaults(cfg.Bucket, cfg.MarkerTTL)
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("natskv: %w", err)
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	db := newDB(cfg.Bucket, cfg.MarkerTTL)
	db.disk, db.log = newDisk(cfg.Dir), cfg.Logger
	db.cleanup("data lock", func() error { return unlockDir(lock) })
	if err := db.start(ctx, cfg); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (db *DB) start(ctx context.Context, cfg Config) error {
	var err error
	if db.mark, err = openMark(cfg.Dir); err != nil {
		return err
	}
	db.cleanup("mark", db.mark.file.Close)
	if err := breakSeal(cfg.Dir); err != nil {
		return err
	}
	sound := false
	db.cleanup("data seal", func() error {
		if !sound {
			return nil // without a seal the next start looks closer
		}
		return ignoreFull(seal(cfg.Dir))
	})
	db.cleanup("server", func() error {
		if s := db.now.Load(); s != nil {
			// After a sync that failed, the disk itself may have older files than can be
			// read now; those would then look damaged.
			sound = !s.hasFailed() && !db.doubted
			s.end()
		}
		return nil
	})
	s, err := db.openSession(ctx)
	if err != nil {
		return err
	}
	db.now.Store(s)
	return nil
}

func startServer(ctx context.Context, dir string, log *serverLog) (*server.Server, error) {
	srv, err := server.NewServer(&server.Options{
		ServerName:             "teal",
		DontListen:             true,
		NoSigs:                 true,
		JetStream:              true,
		DisableJetStreamBanner: true,
		StoreDir:               dir,
		SyncAlways:             true,
		MaxPayload:             maxPayload,
		JetStreamMaxMemory:     maxMemoryStorage,
		JetStreamMaxStore:      maxFileStorage,
	})
	if err != nil {
		return nil, fmt.Errorf("natskv: configure the embedded server: %w", err)
	}
	srv.SetLoggerV2(log, false, false, false)
	srv.Start()
	timeout := startTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = time.Until(deadline)
	}
	if srv.ReadyForConnections(timeout) && srv.JetStreamEnabled() {
		return srv, nil
	}
	srv.Shutdown()
	srv.WaitForShutdown()
	if fatal := log.fatalMessage(); fatal != "" {
		return nil, fmt.Errorf("natskv: the embedded server did not start on %s: %s", dir, fatal)
	}
	return nil, fmt.Errorf("natskv: the embedded server was not ready on %s in %s", dir, timeout.Round(time.Second))
}

func withDefaults(bucket string, ttl time.Duration) (string, time.Duration) {
	if bucket == "" {
		bucket = DefaultBucket
	}
	if ttl == 0 {
		ttl = DefaultMarkerTTL
	}
	return bucket, ttl
}

func dataInUse(dir string, err error) error {
	return &teal.Error{Code: teal.CodeDataInUse, Err: err, Message: "The data directory " + filepath.Clean(dir) + " is in use by another Teal server; stop that one, or give this one another directory with --data."}
}
