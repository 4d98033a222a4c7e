package daemon

import (
	"context"

	"teal"
	"teal/internal/analysis"
	"teal/internal/environment"
	"teal/internal/gateway"
	"teal/internal/meter"
	"teal/internal/release"
)

// meters gives the parts that measure, and the parts that want to know, what
// each calls its own.
type meters struct{ *meter.Meter }

var (
	_ environment.Meters = meters{}
	_ release.Meter      = meters{}
)

// Of implements [environment.Meters].
func (m meters) Of(app string, version teal.VersionRef, component string) gateway.Meter {
	return measured{m.Recorder(app, version, component)}
}

// Follow implements [release.Meter].
func (m meters) Follow(ctx context.Context, app string, live, green int) (release.Feed, error) {
	return m.Meter.Follow(ctx, app, live, green)
}

// measured is a recorder as the gateway sees it.
type measured struct{ *meter.Recorder }

var faults = map[gateway.Fault]meter.Fault{
	gateway.FaultStatus: meter.FaultStatus, gateway.FaultFunction: meter.FaultFunction,
	gateway.FaultTimeout: meter.FaultTimeout, gateway.FaultConnection: meter.FaultConnection,
}

// Record implements [gateway.Meter].
func (m measured) Record(s gateway.Sample) {
	out := meter.Sample{
		Status: s.Status, Latency: s.Latency, Method: s.Method, Host: s.Host, Path: s.Path, Route: s.Route,
	}
	if s.Fault != gateway.FaultNone {
		out.Fault = faults[s.Fault]
	}
	if s.Failure != nil {
		out.Type, out.Message, out.Stack = s.Failure.Type, s.Failure.Message, s.Failure.Stack
	}
	m.Recorder.Record(out)
}

// newJudge returns the judge of a release.
func newJudge(r teal.Release) (release.Judge, error) {
	return analysis.New(r.Policy.Judge, r.Baseline, r.Judging)
}
