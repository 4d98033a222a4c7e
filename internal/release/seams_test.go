package release_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"teal"
	"teal/internal/release"
)

// The examiner: tasks that have an outcome when the schedule says so.

type examiner struct{ *process }

type simTask struct {
	release string
	key     teal.TaskKey
	verdict teal.Verdict // "" while it runs
}

func (x examiner) Begin(ctx context.Context, r teal.Release, key teal.TaskKey) error {
	return x.do(ctx, fmt.Sprintf("begin %s of %s", key, r.ID), func() error {
		x.memory.Lock()
		defer x.memory.Unlock()
		name := r.ID + " " + key.String()
		if x.tasks[name] == nil {
			x.tasks[name] = &simTask{release: r.ID, key: key}
			if x.w.free {
				x.tasks[name].verdict = teal.VerdictPass
			}
		}
		return nil
	})
}

func (x examiner) Outcome(id string, key teal.TaskKey) release.Outcome {
	x.memory.Lock()
	defer x.memory.Unlock()
	t := x.tasks[id+" "+key.String()]
	if t == nil {
		return release.Outcome{}
	}
	return release.Outcome{Begun: true, Verdict: t.verdict, Findings: []teal.Finding{{Name: key.String(), Seen: "it is " + string(t.verdict), Verdict: t.verdict}}}
}

func (x examiner) Stop(id string) {
	x.memory.Lock()
	defer x.memory.Unlock()
	for name, t := range x.tasks {
		if t.release == id {
			delete(x.tasks, name)
		}
	}
}

// settleTask gives a task an outcome. Those that are asked again and again may
// get another one later.
func (p *process) settleTask(pick func(n int) int, verdict teal.Verdict) (settled string) {
	p.memory.Lock()
	defer p.memory.Unlock()
	var names []string
	for name, t := range p.tasks {
		if t.verdict == "" || t.key.Kind == teal.TaskAsk {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	name := names[pick(len(names))]
	p.tasks[name].verdict = verdict
	p.w.learn(name, verdict)
	return name
}

// learn notes what an examiner has found. Two servers may find different things,
// and the one whose record comes first is believed: a pass that there was is one.
func (w *world) learn(name string, verdict teal.Verdict) {
	if w.truth[name] != teal.VerdictPass {
		w.truth[name] = verdict
	}
}

// The meter: requests that the schedule makes.

type meter struct{ *process }

type simFeed struct {
	process *process
	changed chan struct{}
	next    teal.Interval
	closed  bool
}

func (m meter) Baseline(ctx context.Context, _ string, version int, _ time.Duration) (teal.Measurement, error) {
	return teal.Measurement{Requests: 1000}, m.do(ctx, fmt.Sprint("baseline of ", version), func() error { return nil })
}

func (m meter) Follow(context.Context, string, int, int) (release.Feed, error) {
	m.memory.Lock()
	defer m.memory.Unlock()
	f := &simFeed{process: m.process, changed: make(chan struct{}, 1)}
	m.feeds = append(m.feeds, f)
	return f, nil
}

func (f *simFeed) Changed() <-chan struct{} { return f.changed }

func (f *simFeed) Take(context.Context) (teal.Interval, error) {
	f.process.memory.Lock()
	defer f.process.memory.Unlock()
	taken := f.next
	f.next = teal.Interval{}
	taken.At = f.process.w.wall()
	return taken, nil
}

func (f *simFeed) Close() {
	f.process.memory.Lock()
	defer f.process.memory.Unlock()
	f.closed = true
	f.process.feeds = slices.DeleteFunc(f.process.feeds, func(other *simFeed) bool { return other == f })
}

// measure lets users of green be served.
func (p *process) measure(requests, errors int64) {
	p.memory.Lock()
	defer p.memory.Unlock()
	for _, f := range p.feeds {
		f.next.Live.Requests += requests
		f.next.Green.Requests += requests
		f.next.Green.Errors += errors
		select {
		case f.changed <- struct{}{}:
		default:
		}
	}
}

// simJudge fails at the first error, and needs a number of requests at each step
// to pass.
type simJudge struct {
	process *process
	id      string
	Step    int
	Seen    int64
	Bad     bool
}

const enough = 10

func (p *process) newJudge(r teal.Release) (release.Judge, error) {
	j := &simJudge{process: p, id: r.ID}
	if r.Judging == nil {
		return j, nil
	}
	return j, json.Unmarshal(r.Judging, j)
}

func (j *simJudge) Begin(step int) {
	if step != j.Step {
		j.Step, j.Seen = step, 0
	}
}

func (j *simJudge) Add(i teal.Interval) {
	j.Seen += i.Green.Requests
	j.Bad = j.Bad || i.Green.Errors > 0
}

func (j *simJudge) Judgement(time.Time) teal.Judgement {
	verdict := teal.VerdictPass
	switch {
	case j.Bad:
		verdict = teal.VerdictFail
	case j.Seen < enough:
		verdict = teal.VerdictInconclusive
	}
	j.process.memory.Lock()
	defer j.process.memory.Unlock()
	j.process.judged[j.id] = verdict
	return teal.Judgement{Verdict: verdict, Reason: "it is " + string(verdict)}
}

func (p *process) judgedOf(id string) teal.Verdict {
	p.memory.Lock()
	defer p.memory.Unlock()
	return p.judged[id]
}

func (j *simJudge) State() json.RawMessage {
	data, err := json.Marshal(j)
	if err != nil {
		panic(err)
	}
	return data
}

// checkIntent: an act is only intended when everything that must come before it
// has come. What is known at this moment is in the record and in the memory of
// the server that intends it.
func (p *process) checkIntent(r teal.Release, judged teal.Verdict) {
	in, w := r.Intent, p.w
	live := w.live(r.App).alias
	switch {
	case in.Act == teal.ActShift && in.Version == r.To && in.Weight > live.Weight(r.To) && r.Phase == teal.PhaseShifting && r.From != 0:
		p.checkForward(r, judged)
	case in.Act == teal.ActProvision && r.Phase == teal.PhaseQueued:
		p.checkTasks(r, teal.BeforeInstall)
	}
}

// checkForward: green gets more only when the checks before traffic have passed,
// nothing that was seen speaks against it, and the step is done.
func (p *process) checkForward(r teal.Release, judged teal.Verdict) {
	w := p.w
	p.checkTasks(r, teal.AfterInstall, teal.AfterAllowTestTraffic, teal.BeforeAllowTraffic)
	for _, c := range r.Policy.Checks {
		p.checkTask(r, teal.TaskKey{Kind: teal.TaskCheck, Name: c.Name})
	}
	if r.Commands.Force == nil {
		w.must(judged != teal.VerdictFail, "C12: green of %s gets more although it was found worse", r.ID)
	}
	if r.Commands.Promote != nil {
		w.seen["promoted"]++
		return
	}
	w.must(r.Commands.Pause == nil, "%s moves on while it is paused", r.ID)
	if r.Step == 0 {
		return
	}
	w.seen["stepped"]++
	step := r.Policy.Steps[r.Step-1]
	held := w.attended[r.ID] - w.releases[r.ID].stepped
	w.must(r.StepAt != nil && held >= step.Hold.Std(), "step %d of %s is left after %s of its hold", r.Step, r.ID, held)
	if r.Commands.Force != nil {
		return
	}
	for _, c := range step.Checks {
		p.checkTask(r, teal.TaskKey{Kind: teal.TaskCheck, Step: r.Step, Name: c.Name})
	}
	w.must(!step.Approval || r.Commands.Approved(r.Step), "step %d of %s is left without an approval", r.Step, r.ID)
	if r.Policy.Judge.Judges() && r.Policy.Judge.OnInconclusive != teal.DoubtPromote {
		w.must(judged == teal.VerdictPass, "C12: step %d of %s is left on the verdict %q", r.Step, r.ID, judged)
	}
}

func (p *process) checkTasks(r teal.Release, points ...teal.HookPoint) {
	for _, point := range points {
		for _, h := range r.Policy.HooksAt(point) {
			p.checkTask(r, teal.TaskKey{Kind: teal.TaskHook, Name: string(h.Point) + "/" + h.Name})
		}
	}
}

func (p *process) checkTask(r teal.Release, key teal.TaskKey) {
	truth := p.w.truth[r.ID+" "+key.String()]
	p.w.must(truth == teal.VerdictPass || r.Commands.Force != nil && truth != "" || p.w.free, "C6: %s goes on though %s is %q", r.ID, key, truth)
}
