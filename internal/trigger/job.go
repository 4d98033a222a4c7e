package trigger

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"

	"teal"
	"teal/internal/check"
	"teal/internal/event"
	"teal/internal/logs"
)

// job is one attempt at a firing.
type job struct {
	worker  *Worker
	event   event.Event
	firing  teal.Firing
	spec    teal.Spec
	trigger teal.Trigger
}

// job finds out what a firing runs: what its version says.
func (w *Worker) job(ctx context.Context, e event.Event, f teal.Firing) (job, error) {
	number, _ := e.Version.Number()
	spec, err := w.versions.Spec(ctx, e.App, number)
	if err != nil {
		return job{}, err
	}
	t, ok := spec.Trigger(e.Trigger)
	if !ok || t.Schedule == nil {
		return job{}, teal.Errorf(teal.CodeNotFound, "%s has no schedule %s", teal.VersionName(e.Version), e.Trigger)
	}
	return job{w, e, f, spec, t}, nil
}

func (j job) schedule() teal.Schedule { return *j.trigger.Schedule }

func (j job) isInvocation() bool {
	return len(j.schedule().Command) == 0 && j.spec.Components[j.trigger.To].Function != nil
}

// do does it. An *attemptError says that it was tried and has failed; any other one that
// it could not be tried.
func (j job) do(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, timeoutOf(j.schedule()))
	defer cancel()
	if err := j.worker.cfg.Starter.Ensure(ctx, j.event.App, j.event.Version); err != nil {
		return err
	}
	if len(j.schedule().Command) > 0 {
		return j.command(ctx)
	}
	return j.post(ctx)
}

func timeoutOf(s teal.Schedule) time.Duration {
	if s.Timeout == 0 {
		return teal.DefaultScheduleTimeout.Std()
	}
	return s.Timeout.Std()
}

// newClient returns the client that asks services: one that answers with a redirect has
// not done its work.
func newClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true}, // the next firing is hours away
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// maxAnswer is how much of a service's answer is read.
const maxAnswer = 64 << 10

func (j job) post(ctx context.Context) error {
	number, _ := j.event.Version.Number()
	base, err := j.worker.cfg.Environments.Address(j.event.App, number, j.trigger.To)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+j.schedule().Path, bytes.NewReader(j.event.Payload))
	if err != nil {
		return &attemptError{"the path cannot be asked for: " + err.Error()}
	}
	j.describe(request.Header)
	response, err := j.worker.client.Do(request)
	if err != nil {
		return &attemptError{j.withoutAnswer(ctx, err)}
	}
	defer func() { _ = response.Body.Close() }() // nothing more is read from it
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer))
	switch {
	case response.StatusCode < 200 || response.StatusCode > 299:
		return &attemptError{fmt.Sprintf("POST %s was answered with status %d", j.schedule().Path, response.StatusCode)}
	case err != nil:
		return &attemptError{j.withoutAnswer(ctx, err)}
	}
	return nil
}

// describe says in a request what fires.
func (j job) describe(h http.Header) {
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "Teal")
	h.Set("Teal-Trigger", j.trigger.Name)
	h.Set("Teal-Firing", j.firing.ID)
	h.Set("Teal-Scheduled-At", j.scheduledAt())
	h.Set("Teal-Attempt", strconv.Itoa(j.event.Attempts+1))
}

func (j job) scheduledAt() string { return j.firing.At.UTC().Format(time.RFC3339) }

func (j job) withoutAnswer(ctx context.Context, err error) string {
	if ctx.Err() != nil {
		return fmt.Sprintf("POST %s was not answered within %s", j.schedule().Path, teal.Duration(timeoutOf(j.schedule())))
	}
	return fmt.Sprintf("POST %s was not answered: %s", j.schedule().Path, err)
}

func (j job) command(ctx context.Context) error {
	app := j.event.App
	code, _ := j.spec.Components[j.trigger.To].Code()
	env, masked, err := j.environment()
	if err != nil {
		return err
	}
	end, err := j.worker.cfg.Commands.Run(ctx, check.Program{
		Argv: j.schedule().Command, Code: code, Env: env, Masked: masked, Of: teal.EnvironmentName(app, j.event.Version),
		App: app, Secrets: j.spec.CommandSecrets(code),
		Output: func(stream, line string) {
			j.worker.cfg.Lines.Write(logs.Line{
				At: time.Now(), App: app, Version: j.event.Version, Component: j.trigger.To, Instance: "schedule-" + j.trigger.Name,
				RequestID: j.firing.ID, Stream: stream, Text: line,
			})
		},
	})
	switch {
	case err != nil:
		return &attemptError{"the command cannot be run: " + err.Error()}
	case end.Failure != "":
		return &attemptError{"the command failed: " + end.Failure}
	}
	return nil
}

// environment returns the variables of a command: those of its component, and what fires.
func (j job) environment() (env map[string]string, masked []string, err error) {
	own, masked := j.spec.Components[j.trigger.To].Env()
	env = maps.Clone(own)
	if env == nil {
		env = map[string]string{}
	}
	number, _ := j.event.Version.Number()
	maps.Copy(env, map[string]string{
		"TEAL_APP": j.event.App, "TEAL_VERSION": strconv.Itoa(number), "TEAL_TRIGGER": j.trigger.Name, "TEAL_FIRING": j.firing.ID,
		"TEAL_SCHEDULED_AT": j.scheduledAt(), "TEAL_ATTEMPT": strconv.Itoa(j.event.Attempts + 1), "TEAL_PAYLOAD": string(j.event.Payload),
	})
	state, err := j.worker.cfg.Environments.StateDir(j.event.App, j.trigger.To)
	if err != nil {
		return nil, nil, err
	}
	if state != "" {
		env["TEAL_STATE_DIR"] = state
	}
	for name := range j.spec.Components { // those that do not run have none
		if url, err := j.worker.cfg.Environments.Address(j.event.App, number, name); err == nil {
			env[teal.AddressVariable(name)] = url
		}
	}
	return env, masked, nil
}
