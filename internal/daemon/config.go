package daemon

import (
	"cmp"
	"log/slog"
	"net/netip"
	"time"

	"teal"
	"teal/internal/lease"
	"teal/internal/queue"
	"teal/internal/store"
	"teal/internal/systemd"
)

// Config is what a server is told from outside.
type Config struct {
	Data  string // directory; created where needed, owned by one server at a time
	HTTP  string // address of the gateway
	Admin string // address of the REST API
	// AdminTLS has the REST API served over TLS alone: with the server's own certificate,
	// which clients know by its fingerprint, and to who asks for a name that the gateway
	// has a certificate for, with that. AdminHost is such a name, "" for none.
	AdminTLS  bool
	AdminHost string
	// Sockets take the place of addresses.
	Sockets systemd.Sockets
	// Override says who may choose a version with a request header; nil is
	// nobody.
	Override func(client netip.Addr) bool
	// Trusted says whose X-Forwarded headers are believed; nil is nobody.
	Trusted   func(client netip.Addr) bool
	MaxBundle teal.Bytes // unpacked; 0 is artifact's default
	Guard     []string   // the command that runs process.Guard; empty: no guard
	Version   string     // of Teal, shown to API clients
	Logger    *slog.Logger
	LogLost   func() int64 // lines that Logger has dropped; nil: none
	Edge      EdgeConfig
	// SecretsKeyCommand prints the key that secrets are encrypted with; "": it is in the
	// data directory.
	SecretsKeyCommand string
	// RecoveryPatience is how long the gateway's port stays closed for the
	// environments that live needs, after a restart; clients wait in the
	// kernel's queue meanwhile. 0 is the default of 10 s.
	RecoveryPatience time.Duration
	AWS              AWS
	Queues           queue.Limits

	// around, where set, is what the store is seen through. Tests have it stall.
	around func(store.KV) store.KV
	lease  lease.Lease // nil is the static one; tests take it away
}

// withDefaults returns what a server works with.
func (cfg Config) withDefaults() Config {
	cfg.AWS = cfg.AWS.withDefaults()
	if cfg.lease == nil {
		cfg.lease = lease.Static{}
	}
	if cfg.around == nil {
		cfg.around = func(kv store.KV) store.KV { return kv }
	}
	cfg.RecoveryPatience = cmp.Or(cfg.RecoveryPatience, 10*time.Second)
	return cfg
}
