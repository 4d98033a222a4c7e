package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"

	"teal"
	"teal/internal/access"
	"teal/internal/acme"
	"teal/internal/analysis"
	"teal/internal/api"
	"teal/internal/api/awslambda"
	"teal/internal/artifact"
	"teal/internal/atomicfile"
	"teal/internal/check"
	"teal/internal/cluster"
	"teal/internal/console"
	"teal/internal/consumer"
	"teal/internal/control"
	"teal/internal/datadir"
	"teal/internal/doctor"
	"teal/internal/environment"
	"teal/internal/event"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/gateway/front"
	"teal/internal/lambda"
	"teal/internal/logs"
	"teal/internal/meter"
	"teal/internal/notify"
	"teal/internal/pinned"
	"teal/internal/process"
	"teal/internal/queue"
	"teal/internal/recording"
	"teal/internal/release"
	"teal/internal/retention"
	"teal/internal/roles"
	"teal/internal/routing"
	"teal/internal/secret"
	"teal/internal/store"
	"teal/internal/store/index"
	"teal/internal/store/memkv"
	"teal/internal/store/natskv"
	"teal/internal/systemd"
	"teal/internal/trigger"
)

// GuardArgument is the one argument with which the server's own program runs
// process.Guard on its standard input.
const GuardArgument = "guard"

// Daemon is a whole Teal server.
type Daemon struct {
	cfg   Config
	ready chan struct{} // closed when both addresses answer

	httpAddr, httpsAddr, adminAddr net.Addr // set before ready is closed
	running                        *running // likewise; tests look into it
}

// New returns a server. It opens nothing and starts nothing.
func New(cfg Config) *Daemon {
	return &Daemon{cfg: cfg.withDefaults(), ready: make(chan struct{})}
}

// Ready is closed once both addresses answer.
func (d *Daemon) Ready() <-chan struct{} { return d.ready }

// HTTPAddr returns the gateway's address; valid once Ready is closed.
func (d *Daemon) HTTPAddr() net.Addr { return d.httpAddr }

// HTTPSAddr returns the gateway's address for TLS, nil without one; valid once
// Ready is closed.
func (d *Daemon) HTTPSAddr() net.Addr { return d.httpsAddr }

// AdminAddr returns the REST API's address; valid once Ready is closed.
func (d *Daemon) AdminAddr() net.Addr { return d.adminAddr }

// Run serves until ctx ends, then finishes the requests in flight, stops every
// process that it started, and returns nil. It returns an error when the server
// cannot start or a part of it fails.
func (d *Daemon) Run(ctx context.Context) error {
	parts := roles.NewStack(d.cfg.Logger)
	defer parts.Stop()
	s, err := d.open(ctx, parts)
	if err != nil {
		return err
	}
	if err := s.start(ctx, parts); err != nil {
		return err
	}
	close(d.ready)
	select {
	case <-ctx.Done():
		d.cfg.Logger.Info("stopping: finishing the requests in flight")
		return nil
	case err := <-parts.Failed():
		return fmt.Errorf("daemon: %w", err)
	}
}

// running is everything that a daemon that runs is made of.
type running struct {
	daemon    *Daemon
	data      *datadir.Dir
	token     string
	urlKey    string
	tokens    *access.Tokens
	audit     *access.Audit
	secrets   *secret.Secrets
	front     net.Listener
	edge      edge
	admin     net.Listener
	loopback  net.Listener    // of the programs that the server runs
	identity  tls.Certificate // of the admin address; empty without TLS
	db        *natskv.DB
	bundles   *artifact.Store
	logs      *logs.Store
	processes *process.Runner
	alerts    *doctor.Alerts
	gateway   *gateway.Gateway
	web       *front.Server
	meter     *meter.Meter
	store     *store.Store
	index     *index.Index
	node      *cluster.Node
	routes    *routing.Gateway
	events    *event.Queue
	queues    *queue.Broker
	inside    *api.Inside
	consumer  *consumer.Consumer
	journal   routing.Journal
	router    *routing.Router
	manager   *environment.Manager
	engine    *release.Engine
	control   *control.Control
	// lambdaRecords are what lambda, and who removes what is not needed, works on.
	lambdaRecords *lambda.Records
	lambda        *lambda.Backend

	acme       *acme.Manager
	examiner   *check.Examiner
	schedules  *trigger.Scheduler
	notifier   *notify.Notifier
	recordings *recording.Store
	retention  *retention.Versions
	garbage    *retention.Garbage
	deletions  *retention.Apps
}

// open takes everything that another process could hold, before anything runs:
// a server that cannot have its ports leaves its data alone.
func (d *Daemon) open(ctx context.Context, parts *roles.Stack) (*running, error) {
	s := &running{daemon: d, alerts: doctor.New(d.cfg.Logger, nil)}
	var err error
	if s.data, err = datadir.Open(ctx, d.cfg.Data, d.cfg.Logger); err != nil {
		return nil, err
	}
	parts.Closer("data directory", s.data.Close)
	s.token = s.data.Secret(s.alerts, datadir.AdminToken)
	s.urlKey = s.data.Secret(s.alerts, datadir.URLKey)
	s.data.Mend(s.alerts)
	if s.front, err = d.cfg.Sockets.Listen(systemd.HTTP, d.cfg.HTTP); err != nil {
		return nil, err
	}
	parts.Closer("http port", func() error { return closeListener(s.front) })
	if s.edge, err = d.cfg.Edge.open(d.cfg.Sockets, d.cfg.Version, d.cfg.Logger, parts); err != nil {
		return nil, err
	}
	if s.admin, err = d.cfg.Sockets.Listen(systemd.Admin, d.cfg.Admin); err != nil {
		return nil, err
	}
	if d.cfg.AdminTLS {
		if s.identity, err = s.data.Certificate(s.alerts); err != nil {
			return nil, fmt.Errorf("daemon: %w", err)
		}
	}
	parts.Closer("admin port", func() error { return closeListener(s.admin) })
	if s.loopback, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	parts.Closer("port of programs", func() error { return closeListener(s.loopback) })
	if s.bundles, err = artifact.Open(s.data.Join(datadir.Bundles), artifact.LimitsFor(d.cfg.MaxBundle)); s.bundles == nil {
		return nil, err
	}
	s.data.Report(s.alerts, datadir.Bundles, err)
	if s.db, err = natskv.Open(ctx, natskv.Config{Dir: s.data.Join(datadir.Store), Logger: d.cfg.Logger}); err != nil {
		return nil, s.data.OpenError(err)
	}
	parts.Closer("store", s.db.Close)
	s.logs, err = logs.Open(logs.Config{Dir: s.data.Join(datadir.Logs), Logger: d.cfg.Logger, Failing: s.alerts.LogsFailing})
	s.data.Report(s.alerts, datadir.Logs, err)
	parts.Closer("logs", s.logs.Close)
	s.audit, err = access.OpenAudit(access.AuditConfig{Dir: s.data.Join(datadir.Audit), Failing: s.alerts.AuditFailing})
	s.data.Report(s.alerts, datadir.Audit, err)
	return s, s.assemble(ctx)
}

// assemble connects the parts with each other.
func (s *running) assemble(ctx context.Context) error {
	cfg := s.daemon.cfg
	var err error
	s.processes, err = process.New(process.Config{Logger: cfg.Logger, Guard: cfg.Guard, Name: s.data.InstanceName()})
	if err != nil {
		return fmt.Errorf("daemon: %w", err)
	}
	kv := store.WithDamage(cfg.around(s.db), store.DamageAlerts(s.alerts))
	s.index = index.New(kv, retention.Pieces)
	typed := s.index.Store()
	s.store = typed
	s.journal = routing.NewJournal(typed)
	s.gateway = gateway.New()
	s.acme = s.newCertificates(kv)
	s.web = front.New(s.edge.configure(front.Config{
		Config: exchange.Config{
			Gateway: s.gateway, Logger: cfg.Logger, Override: cfg.Override, Trusted: cfg.Trusted, Limits: cfg.Edge.Limits, Underscores: cfg.Edge.Underscores,
			Certificates: s.acme, TransportSecurity: s.acme.TransportSecurity(),
		},
	}))
	fleet, wakeups, ended, releases := environment.NewFleet(), release.NewWakeups(), retention.NewEnded(), consumer.NewReleases()
	s.assembleRoutes(fleet, wakeups)
	s.lambdaRecords = lambda.NewRecords(kv, typed, s.journal, s.daemon.cfg.AWS.Settle)
	if s.secrets, err = s.newSecrets(kv); err != nil {
		return err
	}
	minInstances := lambda.NewMinInstances(s.lambdaRecords, s.router)
	s.events = event.New(event.Config{KV: kv, Limits: cfg.AWS.Events, Logger: cfg.Logger, Alerts: s.alerts})
	s.queues = queue.New(queue.Config{KV: kv, Limits: cfg.Queues, Logger: cfg.Logger, Alerts: s.alerts})
	s.inside = api.NewInside(api.InsideConfig{Queues: control.Queues(s.queues), Programs: access.NewPrograms(), Listener: s.loopback, Logger: cfg.Logger})
	roles := control.NewRoles(s.index, s.router)
	s.meter = meter.New(meter.Config{
		Slot: fleet.Slot, Role: roles.Of, Running: fleet.All, Releases: roles.Releases,
		Alerts: s.alerts.List, Lost: s.telemetry().lost, Disk: func() meter.Disk { return diskGauges(s.db.Health()) }, Queues: control.QueueGauges(s.queues),
	})
	s.manager = environment.New(environment.Config{
		Fleet:   fleet,
		Records: environment.NewStored(typed, s.lambdaRecords),
		Region:  cfg.AWS.Region, Account: cfg.AWS.Account,
		Admit: s.lambdaRecords.Admit, MinInstances: minInstances.Of,
		Bundles: s.code(), Processes: s.processes, Siblings: s.web, Secrets: s.secrets,
		Logs: s.logs, Usage: s.router, DataPlane: s.routes, Meters: s.meter, WorkDir: s.data.Join(datadir.Work), Logger: cfg.Logger, Alerts: s.alerts,
		StateDir: s.data.Join(datadir.State), ReadOnly: []string{s.data.Join(datadir.Bundles)},
		Variables: s.inside.Variables, Changed: wakeups.Wake,
	})
	s.examiner = check.New(check.Config{
		Versions: control.NewVersions(typed, s.manager, s.gateway), Traffic: s.meter, Bundle: s.code().Dir,
		Start: s.processes.Start, Secrets: s.secrets, AnswerPath: control.AnswerPath, Changed: wakeups.Wake,
		WorkDir: s.data.Join(datadir.Checks), Logger: cfg.Logger,
	})
	s.notifier = notify.New(notify.Config{Logger: cfg.Logger})
	s.recordings = recording.New(recording.Config{Dir: s.data.Join(datadir.Recordings), Logger: cfg.Logger, Alerts: s.alerts})
	s.engine = release.New(release.Config{
		Journal: s.journal, Runner: s.manager.ForReleases(), Router: s.router.ForReleases(), Meter: s.meter.ForReleases(), Examiner: control.Examiner(s.examiner),
		Orders: func() release.Orders { return s.index.FollowReleases() }, Wakeups: wakeups, NewJudge: release.Judges(analysis.BeginningOf, analysis.New), Changed: release.Listeners{s.notifier.Tell, ended.Released, releases.Changed},
		Judging: s.recordings.Judging, Measured: s.recordings.Measured,
		Logger: cfg.Logger, Boundary: boundary(cfg.Logger),
	})
	s.schedules = trigger.New(trigger.Config{
		KV: kv, Apps: s.index, Aliases: s.router, Versions: control.NewVersions(typed, s.manager, s.gateway), Events: s.events, Logger: cfg.Logger, Boundary: boundary(cfg.Logger),
	})
	s.assembleControl(kv, minInstances, ended, releases)
	s.tokens = access.New(access.Config{KV: kv, Admin: s.token, KeySecret: s.data.Secret(s.alerts, datadir.AccessKey)})
	// The node joins first: from then on switches wait for it, and what it reads is all.
	return errors.Join(s.node.Join(ctx), s.index.Load(ctx), s.lambdaRecords.Load(ctx), s.tokens.Load(ctx), s.secrets.Load(ctx), s.acme.Load(ctx))
}

// newSecrets returns the secrets of apps.
func (s *running) newSecrets(kv store.KV) (*secret.Secrets, error) {
	folders, err := secret.NewFolders(s.data.InstanceName(), s.data.Join(datadir.Secrets))
	return secret.New(secret.Config{
		KV: kv, Keys: secret.NewKeys(secret.KeysConfig{File: s.data.Join(datadir.SecretsKey), Command: s.daemon.cfg.SecretsKeyCommand}),
		Folders: folders, Users: secret.Recorded{Store: s.store, Drafts: s.lambdaRecords}, Alerts: s.alerts, Logger: s.daemon.cfg.Logger,
	}), err
}

// newCertificates returns what has the certificates for the hosts of live routes.
func (s *running) newCertificates(kv store.KV) *acme.Manager {
	c := s.daemon.cfg.Edge.ACME
	c.KV, c.Alerts, c.Logger = kv, s.alerts, s.daemon.cfg.Logger
	c.Hosts = func() []string {
		hosts := s.gateway.Table().LiveHosts()
		if host := s.daemon.cfg.AdminHost; host != "" && !slices.Contains(hosts, host) {
			hosts = append(slices.Clip(hosts), host)
		}
		return hosts
	}
	return s.edge.newCertificates(c)
}

// assembleRoutes builds this node and its two roles that have to do with aliases: the
// gateway's, which follows them, and the one that moves them.
func (s *running) assembleRoutes(fleet *environment.Fleet, wakeups *release.Wakeups) {
	logger := s.daemon.cfg.Logger
	s.node = cluster.New(cluster.Config{Name: nodeName, KV: memkv.New(), Logger: logger})
	table := routing.NewTable(s.gateway, s.index, fleet, s.alerts)
	s.routes = routing.NewGateway(routing.GatewayConfig{
		Table: table, Node: s.node, Follow: func() routing.Changes { return s.index.FollowRoutes() }, Refresh: s.index.RefreshAliases, Logger: logger,
	})
	s.router = routing.New(routing.Config{
		Table: table, Known: s.index, Aliases: s.store.Aliases, Journal: s.journal, Fleet: fleet, Nodes: s.node, Changed: wakeups.Wake, Logger: logger,
	})
}

// code returns where environments, checks and hooks find their code. Where what runs
// could change it, it is read and compared each time that it is asked for.
func (s *running) code() environment.Bundles {
	if s.processes.Protects() == nil {
		return s.bundles
	}
	return artifact.Verifying{Store: s.bundles}
}

// assembleControl builds what takes orders, and what removes what is not needed any
// more.
func (s *running) assembleControl(kv store.KV, minInstances *lambda.MinInstances, ended *retention.Ended, releases *consumer.Releases) {
	logger := s.daemon.cfg.Logger
	reserved, tombstones, zips := retention.NewReservations(), retention.NewTombstones(kv), artifact.ZipsIn(s.data.Join(datadir.Zips))
	s.garbage = retention.NewGarbage(retention.GarbageConfig{
		Store: s.store, Index: s.index, Environments: s.manager, Unversioned: s.lambdaRecords, Bundles: s.bundles, Zips: zips,
		Reservations: reserved, Tombstones: tombstones, StoreDir: s.data.Join(datadir.Store), Logger: logger, Alerts: s.alerts,
	})
	s.deletions = retention.NewApps(retention.AppsConfig{
		KV: s.index.KV(), Store: s.store, Journal: s.journal, Aliases: s.router, Environments: s.manager,
		Events: retention.Waiting{s.events, s.queues}, Unversioned: s.lambdaRecords, Garbage: s.garbage, Tombstones: tombstones,
		Logs: s.logs, Meter: s.meter, Recordings: s.recordings, Secrets: s.secrets, Alerts: s.alerts, Logger: logger,
		StateDir: s.data.Join(datadir.State), Boundary: boundary(logger),
	})
	activator := lambda.NewActivator(s.gateway, s.router, s.manager)
	s.control = control.New(control.Config{
		KV: s.index.KV(), Store: s.store, Known: s.index, Journal: s.journal, Router: s.router, Gateway: s.gateway, Manager: s.manager, Engine: s.engine,
		Logger: logger, Writable: s.db.Writable, Bundles: s.bundles, Drafts: activator, Hooks: s.examiner, Recordings: s.recordings,
		Reservations: reserved, Numbers: tombstones, Deletions: s.deletions, Garbage: s.garbage, Alerts: s.alerts, Traffic: s.meter, Secrets: s.secrets, Schedules: s.schedules,
		Boundary: boundary(logger),
	})
	s.assembleLambda(activator, minInstances, zips)
	place := s.daemon.cfg.AWS.place()
	s.consumer = consumer.New(consumer.Config{
		Queues: s.queues, Apps: s.index, Versions: control.NewVersions(s.store, s.manager, s.gateway), Gateway: s.gateway, Starter: activator, Addresses: s.manager,
		Releases: releases, QueueARN: place.QueueARN, Region: place.Region, Logger: logger,
	})
	s.retention = retention.NewVersions(retention.VersionsConfig{
		Ended: ended, Store: s.store, Journal: s.journal, Aliases: s.router, Environments: s.manager, Events: retention.Waiting{s.events, s.queues},
		Logs: s.logs, Meter: s.meter, Recordings: s.recordings, Secrets: s.secrets, Logger: logger, Forgotten: s.lambda.VersionForgotten,
	})
}

// assembleLambda builds what AWS's tools see, and the gateway's server with function
// URLs before its routes.
func (s *running) assembleLambda(activator *lambda.Activator, minInstances *lambda.MinInstances, zips artifact.Zips) {
	cfg := s.daemon.cfg
	urls := lambda.NewURLs(lambda.URLConfig{
		Records: s.lambdaRecords, Activator: activator, Domain: cfg.AWS.URLDomain, Key: cfg.AWS.keyOfURLs(s.urlKey), Read: s.web.ReadBody, Logger: cfg.Logger,
	})
	s.web = s.web.With(front.Middleware{Handler: urls.Middleware, Owns: urls.Owns, Claim: urls.Claim})
	s.lambda = lambda.New(lambda.Config{
		Records: s.lambdaRecords, Index: s.index, Activator: activator, MinInstances: minInstances, Events: s.events, Around: trigger.WorkerConfig{
			Scheduler: s.schedules, Starter: activator, Environments: s.manager, Lines: s.logs, Logger: cfg.Logger,
			Commands: check.Commands{Bundle: s.code().Dir, Start: s.processes.Start, Secrets: s.secrets, WorkDir: s.data.Join(datadir.Jobs), Logger: cfg.Logger},
		}.Around,
		Store: s.store, Apps: s.journal, Orders: s.control, Deletions: s.deletions,
		Aliases: s.router, Usage: s.router, Environments: s.manager, Instances: s.manager,
		Bundles: s.bundles, Zips: zips, Code: s.garbage, Logs: s.logs,
		Place: cfg.AWS.place(), RetryDelay: cfg.AWS.RetryDelay, Logger: cfg.Logger,
	})
}

// start starts the parts in the order of their needs. The gateway comes last:
// until then its port is open and its clients wait.
func (s *running) start(ctx context.Context, parts *roles.Stack) error {
	logger := s.daemon.cfg.Logger
	s.edge.startWatching(parts)
	if teal.IsCode(s.db.Writable(), teal.CodeDiskFull) {
		s.db.MakeRoom() // for the folders of what is started again
	}
	parts.Start("disk", func(ctx context.Context) error {
		return s.db.Run(ctx, func(h natskv.Health) { h.Report(s.alerts) })
	})
	parts.Start("processes", s.processes.Run)
	parts.Start("measurements", s.meter.Run)
	parts.Start("index", s.index.Run)
	parts.Start("tokens", s.tokens.Run)
	parts.Start("audit", s.audit.Run)
	parts.Start("secrets", s.secrets.Run)
	parts.Start("node", s.node.Run)
	parts.Start("queues", s.queues.Run)
	parts.Start("queues for programs", s.inside.Run)
	parts.Start("routes", s.routes.Run)
	parts.Start("environments", s.manager.Run)
	for _, ready := range []<-chan struct{}{s.routes.Ready(), s.manager.Recovered()} {
		err := parts.Await(ctx, ready)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // it was told to end
		case err != nil:
			return fmt.Errorf("daemon: %w", err)
		}
	}
	parts.Start("notifications", s.notifier.Run)
	parts.Start("recordings", s.recordings.Run)
	parts.Start("controller", func(ctx context.Context) error { return s.daemon.cfg.lease.Hold(ctx, s.lead) })
	parts.Start("Lambda interface", s.lambda.Run)
	parts.Start("triggers of queues", s.consumer.Run)
	admin, pages := s.newAdmin()
	parts.Start("admin API", func(ctx context.Context) error { return admin.Run(ctx, s.adminListener()) })
	parts.Start("console", pages.Run)
	s.manager.AwaitAll(ctx, s.daemon.cfg.RecoveryPatience, s.router.LiveTargets())
	parts.Start("certificates", s.acme.Run)
	parts.Start("gateway", func(ctx context.Context) error { return s.edge.serve(ctx, s.web, s.front, s.acme) })
	s.daemon.running = s
	s.daemon.httpAddr, s.daemon.adminAddr = s.front.Addr(), s.admin.Addr()
	if secure := s.edge.secure; secure != nil {
		s.daemon.httpsAddr = secure.Addr()
		s.announce(parts, datadir.HTTPSAddress, secure.Addr().String())
	}
	at := s.adminAddress()
	s.announce(parts, datadir.AdminAddress, at)
	s.announce(parts, datadir.HTTPAddress, s.front.Addr().String())
	attributes := []any{"http", s.front.Addr().String(), "admin", at, "data", s.data.Path(), "memory_limit", s.processes.MemoryLimit()}
	if s.daemon.cfg.AdminTLS {
		attributes = append(attributes, "admin_fingerprint", pinned.Of(s.identity.Certificate[0]))
	}
	logger.Info("serving", attributes...)
	return nil
}

// lead is the role of the controller: what only one server of a store may do.
func (s *running) lead(ctx context.Context) error {
	return roles.Run(ctx, s.daemon.cfg.Logger,
		roles.Role{Name: "switches", Run: s.router.Run},
		roles.Role{Name: "checks", Run: s.examiner.Run},
		roles.Role{Name: "schedules", Run: s.schedules.Run},
		roles.Role{Name: "retention", Run: s.retention.Run},
		roles.Role{Name: "removal of code", Run: s.garbage.Run},
		roles.Role{Name: "deletions", Run: s.deletions.Run},
		roles.Role{Name: "releases", Run: s.engine.Run},
	)
}

// announce writes an address to a file for as long as the server runs. That it
// cannot, on a full disk for one, is no reason not to serve.
func (s *running) announce(parts *roles.Stack, file, address string) {
	path := s.data.Join(file)
	err := atomicfile.Write(path, []byte(address+"\n"))
	if errors.Is(err, syscall.ENOSPC) && s.db.MakeRoom() {
		err = atomicfile.Write(path, []byte(address+"\n")) // whoever rolls back must find it
	}
	if err != nil {
		_ = os.Remove(path) // what is there is the address of an earlier server
		s.daemon.cfg.Logger.Warn("commands do not find this server by themselves; set TEAL_ADDR to its admin address", "error", err)
		return
	}
	parts.Closer(file, func() error { return os.Remove(path) })
}

// adminAddress is how the commands on this machine reach the admin API.
func (s *running) adminAddress() string {
	if !s.daemon.cfg.AdminTLS {
		return s.admin.Addr().String()
	}
	return "https://" + s.admin.Addr().String()
}

// newAdmin returns the REST API and, on top of it, the console.
func (s *running) newAdmin() (*api.Server, *console.Console) {
	attempts, codes := access.NewAttempts(nil), access.NewCodes(nil)
	server := api.New(api.Config{
		AWS:     s.lambdaAPI(),
		Control: s.control, Bundles: s.bundles, Logs: control.Logs(s.logs), Access: s.tokens, Audit: s.audit, Secrets: s.secrets, Queues: control.Queues(s.queues),
		MaxBundle: artifact.LimitsFor(s.daemon.cfg.MaxBundle).Packed, Logger: s.daemon.cfg.Logger, Ready: s.isReady, Version: s.daemon.cfg.Version,
		Alerts: s.alerts.List, SetAside: s.control.SetAside, Metrics: s.meter.Handler(),
		Attempts: attempts, Codes: codes,
	})
	pages := console.New(console.Config{As: server.As, Access: s.tokens, Attempts: attempts, Codes: codes, Logger: s.daemon.cfg.Logger})
	return server.With(pages), pages
}

func (s *running) adminListener() net.Listener {
	if !s.daemon.cfg.AdminTLS {
		return s.admin
	}
	return tls.NewListener(s.admin, pinned.ServerConfig(s.identity, s.acme.Named))
}

// lambdaAPI returns the part of the admin API that speaks to AWS's tools.
func (s *running) lambdaAPI() *awslambda.Handler {
	aws := s.daemon.cfg.AWS
	return awslambda.New(awslambda.Config{
		Backend: s.lambda, Place: aws.place(),
		Secret: s.token, Keys: s.tokens, Audit: s.audit,
		Standing: func(ctx context.Context, app string) string { return api.Standing(ctx, s.control, app) },
		Buckets:  aws.Buckets, Unproven: aws.Unproven, Logger: s.daemon.cfg.Logger,
		FunctionURL: lambda.Addresses(aws.URLDomain, s.front.Addr()),
	})
}

func (s *running) telemetry() telemetry {
	return telemetry{s.logs, s.daemon.cfg.LogLost, s.edge}
}

// isReady reports whether the gateway serves.
func (s *running) isReady() (bool, string) {
	select {
	case <-s.daemon.ready:
		return true, ""
	default:
		return false, "the environments that were running are being started again"
	}
}

// nodeName is that of a server which shares its store with no other one.
const nodeName = "local"
