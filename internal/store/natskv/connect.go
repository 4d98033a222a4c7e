package natskv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"teal"
	"teal/internal/store"
)

// Remote says how to use a NATS cluster that somebody else runs.
type Remote struct {
	Bucket    string // "": DefaultBucket; made when it does not exist
	Replicas  int    // of a bucket that is made; 0: 1
	MarkerTTL time.Duration
	Logger    *slog.Logger // nil: nobody is told about lost connections
	// Options are the caller's: credentials, TLS, timeouts.
	Options []nats.Option
}

// Connect returns a bucket of the NATS cluster at servers, a comma-separated list
// of URLs. It blocks until that is reached or ctx ends. A connection that is
// lost later is made again by itself; until then writes fail at once, and reads
// when their context ends.
func Connect(ctx context.Context, servers string, remote Remote) (*DB, error) {
	bucket, ttl := withDefaults(remote.Bucket, remote.MarkerTTL)
	db := newDB(bucket, ttl)
	db.replicas = max(1, remote.Replicas)
	nc, err := nats.Connect(servers, append(connectOptions(ctx, remote.Logger), remote.Options...)...)
	if err != nil {
		return nil, unreachable(servers, err)
	}
	db.cleanup("connection", func() error { nc.Close(); return nil })
	s := newSession()
	if err := s.bind(nc); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	db.now.Store(s)
	if limit := nc.MaxPayload(); limit < store.MaxValue+messageOverhead {
		return nil, errors.Join(teal.Errorf(teal.CodeInvalidInput, "The NATS server at %s takes messages of at most %s; set its max_payload to %s.",
			redact(servers), teal.Bytes(limit), teal.Bytes(maxPayload)), db.Close())
	}
	err = db.openStream(ctx, s)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		err = db.createStream(ctx, s)
	}
	if err != nil {
		return nil, errors.Join(unreachable(servers, err), db.Close())
	}
	return db, nil
}

func connectOptions(ctx context.Context, log *slog.Logger) []nats.Option {
	options := []nats.Option{
		nats.Name("teal"),
		nats.MaxReconnects(-1),
		// Without a buffer a write during an outage fails; with one it would be
		// reported lost and happen minutes later.
		nats.ReconnectBufSize(-1),
	}
	if deadline, ok := ctx.Deadline(); ok {
		options = append(options, nats.Timeout(max(time.Millisecond, time.Until(deadline))))
	}
	if log == nil {
		return options
	}
	return append(options,
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("lost the connection to NATS; trying to connect again", "error", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			log.Info("connected to NATS again", "server", nc.ConnectedUrlRedacted())
		}))
}

func unreachable(servers string, err error) error {
	return &teal.Error{Code: teal.CodeUnavailable, Err: fmt.Errorf("natskv: %w", err),
		Message: fmt.Sprintf("The NATS bucket at %s cannot be used; check the address, the credentials and that JetStream is enabled there.", redact(servers))}
}

// redact removes the passwords from a list of URLs.
func redact(servers string) string {
	list := strings.Split(servers, ",")
	for i, server := range list {
		u, err := url.Parse(strings.TrimSpace(server))
		switch {
		case err != nil:
			list[i] = "(an address that is not a URL)"
		case u.User != nil:
			u.User = url.User("xxxxx")
			list[i] = u.String()
		}
	}
	return strings.Join(list, ",")
}
