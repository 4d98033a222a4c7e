package release_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"teal"
	"teal/internal/release"
)

var (
	oneSeed   = flag.Uint64("release.seed", 0, "play only this schedule and print its trace")
	schedules = flag.Int("release.schedules", 10000, "how many schedules to play")
)

// schedule plays one world with a seed: it decides which goroutine of which
// server takes the next step and what becomes of it, when servers die and start,
// when instances become healthy or break, when people want something, and how
// time passes. Between two decisions everything is at rest, so the same seed
// gives the same play.
type schedule struct {
	*world
	rng       *rand.Rand
	processes []*process
	launched  int
	people    int
	smooth    bool // trouble comes only once traffic moves
	beside    bool // version 2 ran beside live when the play began
}

const shop = "shop"

func newSchedule(seed uint64) *schedule {
	s := &schedule{rng: rand.New(rand.NewPCG(seed, 1))}
	s.world = newWorld(s.chance(25))
	s.instant = s.chance(50)
	s.smooth = s.chance(60)
	s.apps[shop] = &appRecord{}
	live := s.live(shop)
	run := func(version int) { e := s.env(shop, version); e.running = true; e.become(teal.EnvironmentReady) }
	switch s.rng.IntN(10) {
	case 0, 1: // nothing has been released yet
		return s
	case 2:
		live.alias.Targets = []teal.Target{{Version: 1, Weight: teal.Percent(90)}, {Version: 2, Weight: teal.Percent(10)}}
		run(2)
		s.beside = true
	case 3:
		live.alias.Targets = teal.Only(1)
		run(2) // a preview
		s.beside = true
	default:
		live.alias.Targets = teal.Only(1)
	}
	run(1)
	live.revision = s.next()
	return s
}

func (s *schedule) chance(percent int) bool { return s.rng.IntN(100) < percent }

// play runs a whole schedule: a time of trouble, then calm in which everything
// that has begun must end.
func (s *schedule) play() {
	s.start()
	for range 60 + s.rng.IntN(160) {
		s.settle()
		s.trouble()
		s.settle()
		s.checkAlways()
		if len(s.wrong) > 0 {
			break
		}
	}
	if len(s.wrong) == 0 {
		s.calmDown()
	}
	for _, p := range s.processes {
		s.kill(p)
	}
	s.settle()
}

// settle waits until every goroutine waits for its turn, for time, or for
// something to happen.
func (s *schedule) settle() { synctest.Wait() }

func (s *schedule) alive() []*process {
	return slices.DeleteFunc(slices.Clone(s.processes), func(p *process) bool { return p.dead })
}

func (s *schedule) start() {
	s.launched++
	name := fmt.Sprint("server", s.launched)
	s.notef("%s starts", name)
	s.processes = append(s.processes, s.launch(name))
}

// kill ends a process where it is. What it was about to do may still have
// happened.
func (s *schedule) kill(p *process) {
	if p.dead {
		return
	}
	p.dead = true
	s.notef("%s †", p.name)
	for _, c := range s.waiting() {
		if c.process == p {
			how := diesBefore
			if c.mortal && s.chance(30) {
				how = diesAfter
			}
			s.grant(c, how)
			s.settle()
		}
	}
	p.cancel()
	if !s.twins { // the instances were its children
		for _, key := range s.envKeys() {
			if e := s.envs[key]; e.running {
				e.become(teal.EnvironmentStarting)
			}
		}
	}
}

func (s *schedule) grant(c *call, how outcome) {
	s.forget(c)
	s.notef("%s %s%s", c.process.name, c.name, outcomes[how])
	c.grant <- how
}

// urgent returns a call whose intent has just been recorded, when two engines
// run: between the intent and a start or a stop there must be no step of the
// other. A start or a stop carries nothing by which a runner could tell that it
// comes too late (a shift does: the revision), so two engines are safe only as
// far as none of them sleeps there. One server has one engine.
func (s *schedule) urgent(waiting []*call) *call {
	for _, c := range waiting {
		if s.twins && (strings.HasPrefix(c.name, "provision ") || strings.HasPrefix(c.name, "retire ")) && c.mortal {
			return c
		}
	}
	return nil
}

// moving reports whether a release has come as far as to move traffic.
func (s *schedule) moving() bool {
	r := s.active(shop)
	return r != nil && !r.Phase.Ended() && !r.Phase.BeforeTraffic()
}

func (s *schedule) trouble() {
	waiting := s.waiting()
	if c := s.urgent(waiting); c != nil {
		s.step(c)
		return
	}
	switch n := s.rng.IntN(100); {
	case len(s.alive()) == 0 && n < 70:
		s.start()
	case s.twins && len(s.alive()) < 2 && n < 10:
		s.start()
	case n < 22 && (s.examine() || s.traffic()):
	case len(waiting) > 0 && n < 82:
		s.step(waiting[s.rng.IntN(len(waiting))])
	case n < 84:
		s.jump()
	case n < 90:
		s.happen()
	case n < 95:
		s.person()
	default:
		s.pass([]time.Duration{100 * time.Millisecond, 3 * time.Second, 30 * time.Second, 2 * time.Minute, 11 * time.Minute}[s.rng.IntN(5)])
	}
}

func (s *schedule) step(c *call) {
	if s.smooth && !s.moving() && !strings.HasPrefix(c.name, "roll") {
		s.grant(c, works)
		return
	}
	how, deadly := works, 2
	switch {
	case strings.HasPrefix(c.name, "roll"):
		deadly = 60 // these are rarest
	case strings.HasPrefix(c.name, "completed:"), strings.HasPrefix(c.name, "task:"), strings.HasPrefix(c.name, "watching:"):
		deadly = 25 // these are rare
	}
	switch n := s.rng.IntN(100); {
	case n < deadly:
		s.dieAt(c)
		return
	case n < 6 && c.mortal:
		how = failsBefore
	case n < 9 && c.mortal:
		how = failsAfter
	case n < 13 && (strings.HasPrefix(c.name, "set ") || strings.HasPrefix(c.name, "save ") || strings.HasPrefix(c.name, "c")):
		how = failsLate
	}
	s.grant(c, how)
}

// dieAt ends a process at a call, with everything else that it does.
func (s *schedule) dieAt(c *call) {
	if c.mortal && s.chance(50) {
		s.grant(c, diesAfter)
	} else {
		s.grant(c, diesBefore)
	}
	s.settle()
	s.kill(c.process)
}

func (s *schedule) pass(d time.Duration) {
	s.notef("%s pass", d)
	time.Sleep(d)
}

// jump sets the wall clock, which a sleep of the machine does, too.
func (s *schedule) jump() {
	by := []time.Duration{time.Minute, 12 * time.Minute, 5 * time.Hour, 40 * 24 * time.Hour}[s.rng.IntN(4)]
	if s.chance(40) {
		by = -by
	}
	s.seen["jump"]++
	s.skew += by
	s.notef("    the clock jumps by %s", by)
}

func (s *schedule) envKeys() []string {
	var keys []string
	for key, e := range s.envs {
		if e.running {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// arrive lets a write arrive whose answer was lost long ago.
func (s *schedule) arrive() {
	i := s.rng.IntN(len(s.late))
	l := s.late[i]
	s.late = slices.Delete(s.late, i, i+1)
	err := l.effect()
	s.notef("    %s arrives late: %v", l.name, err)
}

// happen lets something happen to the instances or to the data plane.
func (s *schedule) happen() {
	if len(s.late) > 0 && s.chance(30) {
		s.arrive()
		return
	}
	if live := s.live(shop); len(live.stale) > 0 && s.chance(50) {
		clear(live.stale)
		s.notef("    the data plane follows")
		s.wake()
		return
	}
	if s.examine() || s.traffic() {
		return
	}
	keys := s.envKeys()
	if len(keys) == 0 || s.goOut(keys) || s.outage {
		return
	}
	e := s.envs[keys[s.rng.IntN(len(keys))]]
	switch {
	case s.smooth && !s.moving():
		e.become(teal.EnvironmentReady)
	case e.state == teal.EnvironmentStarting && s.chance(10):
		e.never = true
	case e.state == teal.EnvironmentStarting && s.chance(10):
		e.become(teal.EnvironmentFailed)
	case e.state == teal.EnvironmentReady && s.chance(25):
		e.become(teal.EnvironmentDegraded)
		e.crashed = s.chance(50)
	case !e.never && e.state != teal.EnvironmentReady:
		e.become(teal.EnvironmentReady)
	}
	s.notef("    version %d is %s", e.version, e.state)
	s.wake()
}

// goOut lets something go, or come back, that all versions need: their checks
// notice one after the other, in seconds.
func (s *schedule) goOut(keys []string) bool {
	if !s.moving() || s.outage && !s.chance(30) || !s.outage && !s.chance(10) {
		return false
	}
	back := s.outage
	if !back {
		s.seen["shared outage"]++
		s.pass(time.Millisecond)
		s.settle()
	}
	s.outage = true
	s.notef("    what all versions need is %s", map[bool]string{true: "back", false: "gone"}[back])
	s.rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	for _, key := range keys {
		switch e := s.envs[key]; {
		case !e.running || e.never:
		case back && e.state != teal.EnvironmentReady:
			e.become(teal.EnvironmentReady)
		case !back && e.state == teal.EnvironmentReady:
			e.become(teal.EnvironmentDegraded)
			e.shared = true
		}
		s.notef("    %s is %s", key, s.envs[key].state)
		s.wake()
		s.workOn()
		s.pass(time.Duration(s.rng.IntN(3000)) * time.Millisecond)
		s.settle()
	}
	s.outage = !back
	return true
}

// workOn lets the servers do what they do in a moment.
func (s *schedule) workOn() {
	for range s.rng.IntN(40) {
		s.settle()
		waiting := s.waiting()
		if len(waiting) == 0 || len(s.wrong) > 0 {
			return
		}
		c := s.urgent(waiting)
		if c == nil {
			c = waiting[s.rng.IntN(len(waiting))]
		}
		s.grant(c, works)
	}
	s.settle()
}

// examine gives a task of a server an outcome, if there is one that waits.
func (s *schedule) examine() bool {
	if !s.chance(50) {
		return false
	}
	verdict := teal.VerdictPass
	if n := s.rng.IntN(100); n < 20 {
		verdict = []teal.Verdict{teal.VerdictFail, teal.VerdictFail, teal.VerdictError, teal.VerdictInconclusive}[s.rng.IntN(4)]
	}
	for _, p := range s.alive() {
		if name := p.settleTask(s.rng.IntN, verdict); name != "" {
			s.notef("    %s is %s", name, verdict)
			s.seen["task "+string(verdict)]++
			s.wake()
			return true
		}
	}
	return false
}

// traffic lets both versions serve users, green now and then badly.
func (s *schedule) traffic() bool {
	followed := false
	for _, p := range s.alive() {
		followed = followed || len(p.feeds) > 0
	}
	if !followed || !s.chance(50) {
		return false
	}
	errors := int64(0)
	if s.chance(8) {
		errors = 1
		s.seen["bad traffic"]++
	}
	s.notef("    traffic, %d errors", errors)
	for _, p := range s.alive() {
		p.measure(6, errors)
	}
	return true
}

func (s *schedule) wake() {
	for _, p := range s.alive() {
		p.engine.Wake(shop)
	}
}

// person lets somebody ask a server for something, in a goroutine of their own.
func (s *schedule) person() {
	alive := s.alive()
	if len(alive) == 0 {
		return
	}
	p := alive[s.rng.IntN(len(alive))]
	s.people++
	who := fmt.Sprint("person", s.people)
	id := teal.ReleaseID(shop, max(1, s.apps[shop].last-s.rng.IntN(5)/4))
	switch n := s.rng.IntN(10); {
	case n < 5 || s.smooth && !s.moving():
		s.deploy(p, who)
	case n < 7:
		s.order(p, who, id, teal.CommandRollback)
	case n < 8:
		s.order(p, who, id, teal.CommandFinish)
	default:
		s.order(p, who, id, []teal.CommandKind{teal.CommandPause, teal.CommandResume, teal.CommandApprove, teal.CommandPromote, teal.CommandPromote}[s.rng.IntN(5)])
	}
}

func (s *schedule) ask(p *process, who, what string, f func(ctx context.Context) error) {
	what = who + " " + what
	s.notef("%s: %s", p.name, what)
	w := s.world
	go func() {
		err := f(context.WithValue(p.ctx, whoKey{}, who))
		switch teal.CodeOf(err) {
		case "", teal.CodeReleaseInProgress, teal.CodeNothingToPromote, teal.CodeUnknownRelease, teal.CodeConflict:
			return
		}
		if !p.dead && p.ctx.Err() == nil && !strings.Contains(err.Error(), errDown.Error()) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.wrong = append(w.wrong, what+": "+err.Error())
		}
	}()
}

func (s *schedule) deploy(p *process, who string) {
	req := release.Request{App: shop, To: 1 + s.rng.IntN(4), Policy: s.policy(), By: who, At: s.wall()}
	if s.chance(10) {
		req.Force = "it burns"
	}
	s.ask(p, who, fmt.Sprintf("releases version %d, %d steps, confidence %s", req.To, len(req.Policy.Steps), req.Policy.Confidence), func(ctx context.Context) error {
		_, err := p.engine.Start(ctx, req)
		return err
	})
}

// policy returns how somebody wants to release: simply, half of the time.
func (s *schedule) policy() teal.Policy {
	minutes := func(n int) teal.Duration { return teal.Duration(time.Duration(n) * time.Minute) }
	p := teal.DefaultPolicy()
	p.Confidence = []teal.Duration{0, teal.Duration(30 * time.Second), p.Confidence}[s.rng.IntN(3)]
	p.MaxPause = minutes(20)
	p.OnNewVersion = []teal.OnNewVersion{"", "", teal.OnNewVersionQueue, teal.OnNewVersionReplace}[s.rng.IntN(4)]
	if s.chance(50) {
		return p
	}
	check := func(name string) teal.Check { return teal.Check{Name: name, Request: &teal.Request{Path: "/"}} }
	for weight := teal.Percent(10); weight < teal.All && s.chance(70); weight += teal.Percent(30) {
		step := teal.Step{Weight: weight, Hold: []teal.Duration{0, minutes(1), minutes(5)}[s.rng.IntN(3)], Approval: s.chance(15)}
		if s.chance(20) {
			step.Checks = []teal.Check{check("load")}
		}
		p.Steps = append(p.Steps, step)
	}
	if s.chance(50) {
		p.Checks = append(p.Checks, check("smoke"))
	}
	if s.chance(20) {
		again := check("journey")
		again.Every = minutes(1)
		p.Checks = append(p.Checks, again)
	}
	for _, point := range teal.HookPoints {
		if s.chance(25) {
			p.Hooks = append(p.Hooks, teal.Hook{Point: point, Name: "tell", URL: "http://127.0.0.1/"})
		}
	}
	if s.chance(15) {
		p.Warm.Replay = 10
	}
	if s.chance(20) {
		p.Deadline = minutes(30)
	}
	if s.chance(20) {
		p.Judge.Compare = ""
	}
	p.Judge.OnInconclusive = []teal.OnDoubt{"", teal.DoubtRollback, teal.DoubtPromote}[s.rng.IntN(3)]
	p.Judge.DoubtAfter = minutes(3)
	return p
}

func (s *schedule) order(p *process, who, id string, kind teal.CommandKind) {
	s.ask(p, who, fmt.Sprintf("orders %s of %s", kind, id), func(ctx context.Context) error {
		_, err := p.engine.Command(ctx, id, teal.Command{Kind: kind, By: who, At: s.wall()})
		return err
	})
}

// calmDown lets everything work, people be content, and time pass, until nothing
// is left to do; and says what is not done by then.
func (s *schedule) calmDown() {
	s.notef("calm")
	visited := false
	for round, steps := 0, 0; round < 300; steps++ {
		s.settle()
		s.must(steps < 30_000, "an engine runs hot: it takes decision after decision and nothing comes of it")
		s.checkAlways()
		waiting := s.waiting()
		switch {
		case len(s.wrong) > 0:
			return
		case len(s.alive()) == 0:
			s.start()
		case len(s.late) > 0 && s.chance(5):
			s.arrive()
		case len(waiting) > 0:
			c := s.urgent(waiting)
			if c == nil {
				c = waiting[s.rng.IntN(len(waiting))]
			}
			s.grant(c, works)
		case s.apps[shop].active == "":
			s.checkEndOfPlay()
			return
		case !visited: // somebody looks in: a release whose start went unanswered is taken up again
			visited = true
			s.deploy(s.alive()[0], "visitor")
		default:
			round++
			s.heal(round > 40)
			s.serveWell()
			s.pass(apart - time.Second)
		}
	}
	for id, r := range s.releases {
		s.must(r.Phase.Ended(), "%s never ends: it is %s: %s", id, r.Phase, r.Reason)
	}
	s.must(s.apps[shop].active == "", "%s stays the active release", s.apps[shop].active)
}

// serveWell lets every task pass, and both versions serve users well.
func (s *schedule) serveWell() {
	first := func(int) int { return 0 }
	for _, p := range s.alive() {
		for range 5 {
			if name := p.settleTask(first, teal.VerdictPass); name != "" {
				s.notef("    %s passes", name)
			}
		}
		for _, t := range p.tasks {
			t.verdict = teal.VerdictPass
			s.learn(t.release+" "+t.key.String(), teal.VerdictPass)
		}
		p.measure(enough, 0)
	}
	s.wake()
}

func (s *schedule) heal(all bool) {
	s.outage = false
	clear(s.live(shop).stale)
	for _, key := range s.envKeys() {
		if e := s.envs[key]; all || !e.never {
			e.become(teal.EnvironmentReady)
		}
	}
	s.wake()
}

// checkEndOfPlay: nothing runs that only a release wanted. (What ran beside live
// before, as a preview or with a small share, is not a release's to stop.)
func (s *schedule) checkEndOfPlay() {
	wanted := map[int]bool{}
	for _, t := range s.live(shop).alias.Targets {
		wanted[t.Version] = true
	}
	for _, r := range s.releases {
		for _, version := range []int{r.From, r.To} {
			s.must(wanted[version] || !s.env(shop, version).running || version == 2 && s.beside || s.left[version],
				"version %d runs and nobody wants it", version)
		}
	}
}

// playSeed plays one schedule in a world of its own time.
func playSeed(t *testing.T, seed uint64) (s *schedule) {
	synctest.Test(t, func(*testing.T) {
		s = newSchedule(seed)
		s.play()
	})
	return s
}

// TestSchedules plays thousands of schedules of trouble; -release.schedules
// plays more. Seen to fail, each within the default number, when
//   - a shift replaces whatever revision the alias has, not the one of its intent
//   - blue is retired before the switch
//   - decisions are taken on the alias as the tick before saw it
//   - a release ends although a shift that it intended may still happen
//   - an act is not recorded before it is done
//   - a claim without a record counts as free, though its owner may be at it
//   - green that a crash kept from being recorded as started is left running
//   - green that is not healthy gets the alias
//   - watching goes on after a rollback whose record was lost
//   - the confidence period counts from the creation, or ends while green is down
//   - retiring does not wait until the alias holds
//   - a release whose start went unanswered is not taken up by the next visitor
//   - a check or hook is not waited for
//   - what the judge says is not looked at before green gets more
//   - a step is left before its hold is over
//   - a release in the queue begins before its turn
//   - a first release whose last hook fails is rolled back to nothing
//   - blue is retired beside a green that is not healthy, or green beside such a blue
//   - green's loss of health alone is enough, or blue that recovers first is
//   - an outage that is over is not noted before the release goes on
//   - what nobody watched counts: a stall, the time between two servers, a write
//     whose answer was lost; or the wall clock says when a hold or the confidence
//     period is over
func TestSchedules(t *testing.T) {
	t.Parallel()
	if *oneSeed != 0 {
		s := playSeed(t, *oneSeed)
		t.Log(strings.Join(s.trace, "\n"))
		for _, wrong := range s.wrong {
			t.Error(wrong)
		}
		return
	}
	const shards = 4
	var (
		mu     sync.Mutex
		seen   = map[string]int{}
		failed int
	)
	t.Run("shards", func(t *testing.T) {
		for shard := range uint64(shards) {
			t.Run(fmt.Sprint(shard), func(t *testing.T) {
				t.Parallel()
				for seed := shard + 1; seed <= uint64(*schedules); seed += shards {
					s := playSeed(t, seed)
					mu.Lock()
					for what, n := range s.seen {
						seen[what] += n
					}
					if len(s.wrong) > 0 {
						failed++
					}
					enough := failed > 3
					mu.Unlock()
					if len(s.wrong) > 0 {
						t.Errorf("schedule %d: %s\nplay it again with -run TestSchedules -release.seed=%d\n%s",
							seed, strings.Join(s.wrong, "\n"), seed, strings.Join(s.trace, "\n"))
					}
					if enough {
						return
					}
				}
			})
		}
	})
	if failed == 0 && *schedules >= 1000 {
		checkCoverage(t, seen)
	}
}

// checkCoverage: the schedules have been everywhere.
func checkCoverage(t *testing.T, seen map[string]int) {
	t.Log(seen)
	for _, what := range []string{"completed", "rolled-back", "aborted", "queued", "stepped", "promoted", "bad traffic", "task fail", "shared outage", "jump"} {
		if seen[what] < 100 {
			t.Errorf("%q was seen only %d times", what, seen[what])
		}
	}
	for _, what := range []string{"on hold", "both left running", "recheck"} { // these are rare
		if seen[what] < 10 {
			t.Errorf("%q was seen only %d times", what, seen[what])
		}
	}
	for _, name := range boundaries() {
		if seen["crash at "+name] == 0 {
			t.Errorf("no server ever died at %s", name)
		}
	}
}

// boundaries lists every place at which an engine can be told to die.
func boundaries() []string {
	names := []string{"start:recorded", "queue:recorded", "order:recorded", "noted:decided", "noted:recorded"}
	for _, act := range []teal.Act{teal.ActProvision, teal.ActSize, teal.ActTask, teal.ActShift, teal.ActRetire} {
		for _, step := range []string{"decided", "intended", "acted", "recorded"} {
			names = append(names, string(act)+":"+step)
		}
	}
	for _, next := range []teal.Phase{"verifying", "shifting", "watching", "rolling-back", "completed", "rolled-back", "aborted"} {
		names = append(names, string(next)+":decided", string(next)+":recorded")
	}
	return names
}

// A schedule that fails is only of use when it fails again.
func TestASeedPlaysTheSameTwice(t *testing.T) {
	t.Parallel()
	for seed := uint64(1); seed <= 40; seed++ {
		first, second := playSeed(t, seed).trace, playSeed(t, seed).trace
		if !slices.Equal(first, second) {
			for i := range min(len(first), len(second)) {
				if first[i] != second[i] {
					t.Fatalf("schedule %d, line %d:\n%s\n%s", seed, i, first[i], second[i])
				}
			}
			t.Fatalf("schedule %d: %d lines, then %d", seed, len(first), len(second))
		}
	}
}
