package natskv

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
)

// Fail makes the store open itself again, as after an error of a write.
func (db *DB) Fail(ctx context.Context) error {
	db.now.Load().fail(errors.New("a test says so"))
	_, err := db.replace(ctx, (*session).hasFailed)
	return err
}

// Disconnect has the server end the connection to it, and waits for that.
func (db *DB) Disconnect(ctx context.Context) error {
	s := db.now.Load()
	closed := make(chan struct{})
	s.nc.SetClosedHandler(func(*nats.Conn) { close(closed) })
	id, err := s.nc.GetClientID()
	if err == nil && !s.nc.IsClosed() {
		err = s.srv.DisconnectClientByID(id)
	}
	if s.nc.IsClosed() {
		return nil
	}
	if err != nil {
		return err
	}
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// StopServer stops the server as it stops itself when it may not write.
func (db *DB) StopServer() { db.now.Load().srv.ShutdownJetStream() }

// MisjudgeSpace makes it look as if there were space, so that the server meets the
// end of the disk itself, as it does with quotas.
func (db *DB) MisjudgeSpace() {
	db.disk.setSpace(func(string) (free, total int64) { return 1 << 40, 1 << 41 })
}

// JudgeSpace ends that.
func (db *DB) JudgeSpace() { db.disk.setSpace(statfs) }

func (d *disk) setSpace(space func(string) (free, total int64)) { d.ask.Store(&space) }
