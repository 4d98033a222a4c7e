package daemon

import (
	"context"

	"teal/internal/api"
	"teal/internal/api/awslambda"
	"teal/internal/api/sigv4"
	"teal/internal/artifact"
	"teal/internal/gateway/front"
	"teal/internal/lambda"
)

// assembleLambda builds what AWS's tools see, and the gateway's server with function
// URLs before its routes.
func (s *server) assembleLambda(activator *lambda.Activator, minInstances *lambda.MinInstances, zips artifact.Zips) {
	cfg := s.daemon.cfg
	urls := lambda.NewURLs(lambda.URLConfig{
		Records: s.lambdaRecords, Activator: activator, Domain: cfg.AWS.URLDomain, Key: s.keyOfURLs(), Read: s.web.ReadBody, Logger: cfg.Logger,
	})
	s.web = s.web.With(front.Middleware{Handler: urls.Middleware, Owns: urls.Owns, Claim: urls.Claim})
	s.lambda = lambda.New(lambda.Config{
		Records: s.lambdaRecords, Index: s.index, Activator: activator, MinInstances: minInstances, Events: s.events,
		Store: s.store, Apps: s.journal, Orders: s.control, Deletions: s.deletions,
		Aliases: s.router, Usage: s.router, Environments: s.manager, Instances: s.manager,
		Bundles: s.bundles, Zips: zips, Code: s.garbage, Logs: s.logs,
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
		Secret: s.token, Keys: s.tokens, Audit: s.audit,
		Standing: func(ctx context.Context, app string) string { return api.Standing(ctx, s.control, app) },
		Buckets:  aws.Buckets, Unproven: aws.Unproven, Logger: s.daemon.cfg.Logger,
		FunctionURL: lambda.Addresses(aws.URLDomain, s.front.Addr()),
	})
}

// keyOfURLs is what signatures of requests to function URLs are made with. It is
// good for nothing else, and the admin's key not for function URLs: who may call
// a function need not be one who may deploy.
func (s *server) keyOfURLs() sigv4.Key {
	return sigv4.Key{ID: lambda.KeyID, Secret: s.urlKey, Region: s.daemon.cfg.AWS.Region, Service: "lambda"}
}
