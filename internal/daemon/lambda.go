package daemon

import (
	"context"
	"net"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/api/awslambda"
	"teal/internal/api/sigv4"
	"teal/internal/environment"
	"teal/internal/lambda"
	"teal/internal/routing"
	"teal/internal/store"
)

// The seams of the Lambda domain: what it asks, by who answers.
var (
	_ lambda.Apps         = routing.Journal{}
	_ lambda.Orders       = lambdaOrders{}
	_ lambda.Deletions    = lambdaDeletions{}
	_ lambda.Aliases      = (*routing.Router)(nil)
	_ lambda.Usage        = lambdaUsage{}
	_ lambda.Environments = lambdaEnvironments{}
	_ lambda.Instances    = (*environment.Manager)(nil)
	_ lambda.Code         = lambdaCode{}
)

type lambdaOrders struct{ *control }

func (o lambdaOrders) CreateApp(ctx context.Context, name string, policy teal.Policy) (store.Record[teal.App], error) {
	return o.createApp(ctx, name, policy)
}

func (o lambdaOrders) Record(ctx context.Context, d api.Deploy) (teal.Version, bool, error) {
	return o.record(ctx, d)
}

func (o lambdaOrders) CheckAlias(ctx context.Context, set api.SetAlias) (time.Duration, error) {
	return o.checkAlias(ctx, set)
}

func (o lambdaOrders) EnsureReady(ctx context.Context, set api.SetAlias, version teal.VersionRef, patience time.Duration) error {
	return o.ensureReady(ctx, set, version, patience)
}

type lambdaDeletions struct{ *deletions }

func (d lambdaDeletions) Await(ctx context.Context, app string) error { return d.await(ctx, app) }

func (d lambdaDeletions) Begin(ctx context.Context, app string) error { return d.begin(ctx, app) }

type lambdaUsage struct{ *routing.Router }

func (u lambdaUsage) InUse(ctx context.Context, app string, version teal.VersionRef) (bool, error) {
	use, err := u.Uses(ctx, app, version)
	return use.Live || use.Alias || use.Release, err
}

type lambdaEnvironments struct{ *environment.Manager }

func (e lambdaEnvironments) Started(ctx context.Context, app string, version teal.VersionRef) error {
	_, err := e.Await(ctx, app, version)
	return err
}

type lambdaCode struct{ *garbage }

func (c lambdaCode) Keep() (release func()) {
	c.deploying.RLock()
	return c.deploying.RUnlock
}

func (c lambdaCode) Drop(specs ...teal.Spec)     { c.drop(specs...) }
func (c lambdaCode) DropLayer(l awslambda.Layer) { c.dropLayer(l) }
func (c lambdaCode) IsBlind() bool               { return c.isBlind() }

// assembleLambda builds what AWS's tools see, and the gateway's server with function
// URLs before its routes.
func (s *server) assembleLambda(floors *lambda.Floors) {
	cfg := s.daemon.cfg
	environments := lambdaEnvironments{s.manager}
	activator := lambda.NewActivator(s.gateway, s.router, environments)
	urls := lambda.NewURLs(lambda.URLConfig{
		Records: s.lambdaRecords, Activator: activator, Domain: cfg.AWS.URLDomain, Key: s.keyOfURLs(), Read: s.web.ReadBody, Logger: cfg.Logger,
	})
	s.web = s.web.With(urls.Middleware, urls.Owns)
	s.lambda = lambda.New(lambda.Config{
		Records: s.lambdaRecords, Index: s.index, Activator: activator, Floors: floors, Events: s.events,
		Store: s.store, Apps: s.journal, Orders: lambdaOrders{s.control}, Deletions: lambdaDeletions{s.deletions},
		Aliases: s.router, Usage: lambdaUsage{s.router}, Environments: environments, Instances: s.manager,
		Bundles: s.bundles, Zips: s.garbage.zips, Code: lambdaCode{s.garbage}, Logs: s.logs,
		Place: s.lambdaPlace(), RetryDelay: cfg.AWS.RetryDelay, Logger: cfg.Logger,
	})
}

// lambdaPlace is how this server's functions are named.
func (s *server) lambdaPlace() awslambda.Place {
	return awslambda.Place{Region: s.daemon.cfg.AWS.Region, Account: s.daemon.cfg.AWS.Account}
}

// lambdaAPI returns the part of the admin API that speaks to AWS's tools.
func (s *server) lambdaAPI() *awslambda.Handler {
	aws := s.daemon.cfg.AWS
	return awslambda.New(awslambda.Config{
		Backend: s.lambda, Place: s.lambdaPlace(),
		Secret: s.token, Buckets: aws.Buckets, Unproven: aws.Unproven, Logger: s.daemon.cfg.Logger,
		FunctionURL: func(id string) string {
			_, port, err := net.SplitHostPort(s.front.Addr().String())
			if err != nil {
				port = "80"
			}
			return "http://" + id + "." + aws.URLDomain + ":" + port + "/"
		},
	})
}

// keyOfURLs is what signatures of requests to function URLs are made with. It is
// good for nothing else, and the admin's key not for function URLs: who may call
// a function need not be one who may deploy.
func (s *server) keyOfURLs() sigv4.Key {
	return sigv4.Key{ID: lambda.KeyID, Secret: s.urlKey, Region: s.daemon.cfg.AWS.Region, Service: "lambda"}
}
