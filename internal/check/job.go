package check

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"teal"
	"teal/internal/process"
	"teal/internal/secret"
)

// job is what a task does.
type job struct {
	// once returns the verdict and its evidence. What it returns after ctx has
	// ended is not looked at.
	once func(ctx context.Context) (teal.Verdict, []teal.Finding)
	// every is how often it is done again; 0 is not.
	every time.Duration
}

// releaseTask is what a task is about: a release, and what belongs to the task.
type releaseTask struct {
	examiner *Examiner
	release  teal.Release
	key      teal.TaskKey
	// token and answers are those of a hook.
	token   string
	answers *mailbox
	// mask returns what hides the secrets of the version, and of all checks and hooks.
	mask func() *secret.Mask
}

func (s releaseTask) newMask() *secret.Mask {
	if s.examiner.cfg.Secrets == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), maskPatience)
	defer cancel()
	refs := s.release.Policy.SecretRefs()
	if spec, err := s.examiner.cfg.Versions.Spec(ctx, s.release.App, s.release.To); err == nil {
		refs = append(refs, spec.SecretRefs()...)
	}
	if len(refs) == 0 {
		return nil
	}
	return s.examiner.cfg.Secrets.Mask(ctx, s.release.App, refs)
}

// maskPatience bounds how long a task waits for what hides the secrets in its evidence.
const maskPatience = time.Minute

// hide returns a text without secrets.
func (s releaseTask) hide(text string) string {
	if s.mask == nil {
		return text
	}
	return s.mask().String(text)
}

// job finds what the key names in the release's policy.
func (s releaseTask) job() (job, bool) {
	switch s.key.Kind {
	case teal.TaskHook:
		return s.hookJob()
	case teal.TaskWarm:
		return job{once: s.warm}, true
	case teal.TaskCheck:
		if c, found := named(s.checks(), s.key.Name, func(c teal.Check) string { return c.Name }); found {
			return s.checkJob(c, 0), true
		}
	case teal.TaskAsk:
		return s.askJob()
	}
	return job{}, false
}

// checks are those that a key of the subject's step may name.
func (s releaseTask) checks() []teal.Check {
	steps := s.release.Policy.Steps
	switch {
	case s.key.Step == 0:
		return s.release.Policy.Checks
	case s.key.Step > 0 && s.key.Step <= len(steps):
		return steps[s.key.Step-1].Checks
	}
	return nil
}

func named[T any](list []T, name string, nameOf func(T) string) (T, bool) {
	for _, one := range list {
		if nameOf(one) == name {
			return one, true
		}
	}
	var none T
	return none, false
}

func (s releaseTask) hookJob() (job, bool) {
	point, name, _ := strings.Cut(s.key.Name, "/")
	h, found := named(s.release.Policy.HooksAt(teal.HookPoint(point)), name, func(h teal.Hook) string { return h.Name })
	return job{once: func(ctx context.Context) (teal.Verdict, []teal.Finding) { return single(s.hook(ctx, h)) }}, found
}

func (s releaseTask) askJob() (job, bool) {
	if c, found := named(s.checks(), s.key.Name, func(c teal.Check) string { return c.Name }); found && c.Every > 0 {
		return s.checkJob(c, c.Every.Std()), true
	}
	judge := s.release.Policy.Judge
	if q, found := named(judge.Queries, s.key.Name, func(q teal.Query) string { return q.Name }); found {
		return s.repeated(q.Every, func(ctx context.Context) teal.Finding { return s.query(ctx, q) }), true
	}
	w, found := named(judge.Webhooks, s.key.Name, func(w teal.Webhook) string { return w.Name })
	return s.repeated(w.Every, func(ctx context.Context) teal.Finding { return s.webhook(ctx, w) }), found
}

func (s releaseTask) repeated(every teal.Duration, ask func(context.Context) teal.Finding) job {
	return job{
		every: orDefault(every, teal.DefaultAskEvery),
		once:  func(ctx context.Context) (teal.Verdict, []teal.Finding) { return single(ask(ctx)) },
	}
}

func (s releaseTask) checkJob(c teal.Check, every time.Duration) job {
	ask := func(ctx context.Context) teal.Finding { return s.smoke(ctx, c) }
	timeout := teal.DefaultCheckTimeout
	switch {
	case len(c.Command) > 0:
		timeout = teal.DefaultTestTimeout
		ask = func(ctx context.Context) teal.Finding { return s.integration(ctx, c) }
	case len(c.Transaction) > 0:
		ask = func(ctx context.Context) teal.Finding { return s.synthetic(ctx, c) }
	}
	tries := attempts{timeout: orDefault(c.Timeout, timeout), retries: c.Retries, repeat: c.Repeat}
	return job{every: every, once: func(ctx context.Context) (teal.Verdict, []teal.Finding) {
		return single(tries.ask(ctx, ask))
	}}
}

func single(f teal.Finding) (teal.Verdict, []teal.Finding) { return f.Verdict, []teal.Finding{f} }

func orDefault(d, otherwise teal.Duration) time.Duration {
	if d > 0 {
		return d.Std()
	}
	return otherwise.Std()
}

// finding returns a finding of the subject with a verdict.
func (s releaseTask) finding(name, asked string, verdict teal.Verdict, seen string) teal.Finding {
	f := teal.Finding{
		At: time.Now(), Name: name, Asked: clip(s.hide(asked), maxAsked), Seen: clip(s.hide(seen), maxSeen), Verdict: verdict,
	}
	// A question that is asked again and again is older than the release's
	// place; whoever keeps the finding knows it better.
	if s.key.Kind != teal.TaskAsk {
		f.Phase, f.Step = s.release.Phase, cmp.Or(s.key.Step, s.release.Step)
	}
	return f
}

// attempts says how often a question is asked.
type attempts struct {
	timeout time.Duration // of one attempt
	retries int           // further attempts after one that was not passed
	repeat  int           // passes in a row that are needed; 0 is one
}

const (
	retryFirst   = 500 * time.Millisecond // between attempts, doubling
	retryLongest = 10 * time.Second
	passInterval = 250 * time.Millisecond // of the passes that are needed in a row
)

// ask asks until it has been passed as often in a row as it must, or one time
// too many has not been. It returns the last finding.
func (a attempts) ask(ctx context.Context, question func(context.Context) teal.Finding) teal.Finding {
	backoff := process.Backoff{First: retryFirst, Max: retryLongest}
	need := max(1, a.repeat)
	for passed, failed, asked := 0, 0, 1; ; asked++ {
		f := a.once(ctx, question)
		wait := passInterval
		if f.Verdict == teal.VerdictPass {
			passed++
		} else {
			failed++
			passed = 0
			wait = backoff.Next(0)
		}
		if passed == need || failed > a.retries || pause(ctx, wait) != nil {
			return counted(f, asked, failed, need)
		}
	}
}

func (a attempts) once(ctx context.Context, question func(context.Context) teal.Finding) teal.Finding {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	return question(ctx)
}

// counted says in a finding how many attempts it stands for.
func counted(f teal.Finding, asked, failed, need int) teal.Finding {
	switch {
	case asked == 1:
	case f.Verdict != teal.VerdictPass:
		f.Seen += fmt.Sprintf(" (attempt %d)", asked)
	case failed == 0:
		f.Seen += fmt.Sprintf(" (%d times in a row)", need)
	case need == 1:
		f.Seen += fmt.Sprintf(" (at attempt %d)", asked)
	default:
		f.Seen += fmt.Sprintf(" (%d times in a row, after %d attempts of which %d failed)", need, asked, failed)
	}
	return f
}
