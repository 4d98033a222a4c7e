package meter

import (
	"context"

	"teal"
	"teal/internal/gateway"
	"teal/internal/release"
)

// Of returns the meter of a component, as the gateway sees it: the same one whenever
// the same version is started again.
func (m *Meter) Of(app string, version teal.VersionRef, component string) gateway.Meter {
	return measured{m.Recorder(app, version, component)}
}

// ForReleases returns the meter as the release engine sees it.
func (m *Meter) ForReleases() release.Meter { return forReleases{m} }

type forReleases struct{ *Meter }

// Follow implements [release.Meter].
func (m forReleases) Follow(ctx context.Context, app string, live, green int) (release.Feed, error) {
	return m.Meter.Follow(ctx, app, live, green)
}

// measured is a recorder as the gateway sees it.
type measured struct{ *Recorder }

var faults = map[gateway.Fault]Fault{
	gateway.FaultStatus: FaultStatus, gateway.FaultFunction: FaultFunction,
	gateway.FaultTimeout: FaultTimeout, gateway.FaultConnection: FaultConnection,
}

// Record implements [gateway.Meter].
func (m measured) Record(s gateway.Sample) {
	out := Sample{
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
