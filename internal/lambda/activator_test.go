package lambda

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/gateway"
)

// uncalled is a function that is claimed and not called.
type uncalled struct{ gateway.Function }

// oneStarting returns an activator of which the alias beta of an app leads to version
// 1, which is starting. Its other parts are not there: nobody may be asked.
func oneStarting(t *testing.T) (*Activator, *gateway.Environment, awslambda.Ref) {
	t.Helper()
	env := gateway.NewEnvironment(gateway.EnvironmentConfig{App: "shop", Version: 1, Components: map[string]*gateway.Component{
		"hello": {Name: "hello", Function: uncalled{}},
	}})
	g := gateway.New()
	err := g.Update(func(table *gateway.Table) (*gateway.Table, error) {
		return table.With(gateway.App{
			Name: "shop", Aliases: map[string][]teal.Target{"beta": teal.Only(1)},
			Environments: map[teal.VersionRef]*gateway.Environment{1: env},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return NewActivator(g, nil, nil), env, awslambda.Ref{App: "shop", Component: "hello"}
}

// An alias may lead to a version that is starting. A call of it waits until that has
// become ready or failed, and no call after that, whatever becomes of its health; who
// cannot wait is told that it does not run.
//
// Seen red with a call that does not wait, and with a claim that is kept when the
// patience is over (the environment did not drain).
func TestACallWaitsForAVersionThatIsStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, env, ref := oneStarting(t)
		if _, err := a.claimRunning(ref, "beta"); !teal.IsCode(err, teal.CodeUnavailable) {
			t.Errorf("who cannot wait: %v", err)
		}
		began := time.Now()
		if _, err := a.claim(t.Context(), ref, "beta"); !teal.IsCode(err, teal.CodeUnavailable) || time.Since(began) != startPatience {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		claimed := make(chan error)
		go func() {
			claim, err := a.claim(t.Context(), ref, "beta")
			if err == nil {
				claim.Release()
			}
			claimed <- err
		}()
		synctest.Wait()
		select {
		case err := <-claimed:
			t.Errorf("it has not waited: %v", err)
		default:
		}
		env.MarkStarted()
		env.MarkStarted()
		if err := <-claimed; err != nil {
			t.Error(err)
		}
		claim, err := a.claimRunning(ref, "beta")
		if err != nil {
			t.Error(err)
		}
		claim.Release()
		<-env.Retire() // nobody has forgotten to go
	})
}

// stopping is a server in which nothing starts any more, and nobody is told so.
type stopping struct{ Environments }

func (stopping) ProvisionUnslotted(context.Context, string, teal.VersionRef) error { return nil }
func (stopping) Started(context.Context, string, teal.VersionRef) error            { return nil }

// A call of what is stopped each time it has been started is refused, and as one that
// may be tried again: an event is kept.
//
// Seen red with the error of the last try forgotten: a claim of nothing,
// which whoever had asked for it took for one, and the server died.
func TestACallOfWhatDoesNotRunIsRefused(t *testing.T) {
	t.Parallel()
	a := NewActivator(gateway.New(), nil, stopping{})
	claim, err := a.claim(t.Context(), awslambda.Ref{App: "shop", Component: "hello"}, "1")
	if !teal.IsCode(err, teal.CodeUnavailable) || claim.Env != nil {
		t.Errorf("%+v, %v", claim, err)
	}
}

// Function URLs are claimed so for every request.
//
// Seen red with the alias read as a number by strconv, whose error is allocated, and with
// a claim that waits in a context of its own.
func TestAClaimOfWhatRunsAllocatesNothing(t *testing.T) {
	a, env, ref := oneStarting(t)
	env.MarkStarted()
	if n := testing.AllocsPerRun(1000, func() {
		claim, err := a.claimRunning(ref, "beta")
		if err != nil {
			t.Fatal(err)
		}
		a.touch(ref.App, claim.Version)
		claim.Release()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
