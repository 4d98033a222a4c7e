package lambda

import (
	"log/slog"
	"time"

	"teal/internal/api/awslambda"
	"teal/internal/artifact"
	"teal/internal/event"
	"teal/internal/store"
	"teal/internal/store/index"
)

// Config is what a Backend needs.
type Config struct {
	Records      *Records
	Index        *index.Index
	Activator    *Activator
	MinInstances *MinInstances
	Events       *event.Queue
	// Around returns who works on events, given who works on those that functions are
	// invoked with; nil is that one alone.
	Around func(functions event.Worker) event.Worker

	Store        *store.Store // of the apps' own records
	Apps         Apps
	Orders       Orders
	Deletions    Deletions
	Aliases      Aliases
	Usage        Usage
	Environments Environments
	Instances    Instances

	Bundles Bundles
	Zips    artifact.Zips
	Code    Code
	Logs    Logs

	Place awslambda.Place // how functions are named
	// RetryDelay is how long a function has to recover from its first failure at
	// an event; the second one costs twice that.
	RetryDelay time.Duration
	Logger     *slog.Logger
}

// Backend is what AWS's Lambda interface needs of the server, see
// [awslambda.Backend]. It is safe for concurrent use.
type Backend struct {
	cfg          Config
	records      *Records
	drafts       *drafts
	settings     *settings
	layers       *layers
	index        *index.Index
	aliases      Aliases
	environments Environments
	logger       *slog.Logger

	lists listCache
}

var _ awslambda.Backend = (*Backend)(nil)

// New returns a backend. It starts nothing, and changes nothing before its records
// are loaded.
func New(cfg Config) *Backend {
	return &Backend{
		cfg: cfg, records: cfg.Records, drafts: cfg.Records.drafts, settings: cfg.Records.settings, layers: cfg.Records.layers,
		index: cfg.Index, aliases: cfg.Aliases, environments: cfg.Environments, logger: cfg.Logger,
	}
}
