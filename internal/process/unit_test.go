package process

import (
	"bytes"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"teal"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	v1, v2 := &hierarchy{version: 1}, &hierarchy{version: 2}
	for _, c := range []struct {
		facts limitSupport
		kind  limitKind
		want  string
		in    *hierarchy
	}{
		{limitSupport{v2: v2, v1: v1, rlimit: true}, limitCgroupV2, "cgroup v2", v2},
		{limitSupport{v2Why: "no v2", v1: v1, rlimit: true}, limitCgroupV1, "cgroup v1", v1},
		{limitSupport{v2Why: "no v2", v1Why: "no v1", rlimit: true}, limitRlimit, "rlimit (coarse): each process may write to 256MiB more than its limit, and going over is not seen as such, because no v2; no v1", nil},
		{limitSupport{v2Why: "no v2", v1Why: "no v1"}, limitNone, "none: memory is not limited, because no v2; no v1", nil},
	} {
		got := choose(c.facts)
		if got.kind != c.kind || got.sentence != c.want || c.facts.hierarchy() != c.in {
			t.Errorf("%+v: got %+v", c.facts, got)
		}
	}
}

const mountsV1 = `31 24 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
33 31 0:30 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:5 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`

func TestLocate(t *testing.T) {
	t.Parallel()
	container := "35 31 0:32 /docker/abc /sys/fs/cgroup/my\\040memory ro,relatime - cgroup cgroup rw,cpu,memory\n"
	for _, c := range []struct {
		name, mounts, memberships string
		version                   int
		want, err                 string
	}{
		{"v1", mountsV1, "4:memory:/a/b\n0::/\n", 1, "/sys/fs/cgroup/memory/a/b", ""},
		{"v1 with others", container, "4:cpu,memory:/docker/abc/x\n", 1, "/sys/fs/cgroup/my memory/x", ""},
		{"v1 at the mount's root", container, "4:cpu,memory:/docker/abc\n", 1, "/sys/fs/cgroup/my memory", ""},
		{"v1 not shown", container, "4:cpu,memory:/docker/abcd\n", 1, "", "no mount shows /docker/abcd"},
		{"v1 none", mountsV1, "0::/\n", 1, "", "the process is in none"},
		{"v2", mountsV1, "4:memory:/a/b\n0::/user.slice/x:y\n", 2, "/sys/fs/cgroup/unified/user.slice/x:y", ""},
		{"v2 not mounted", container, "0::/\n", 2, "", "no mount shows /"},
		{"outside of the namespace", mountsV1, "0::/../x\n", 2, "", "the process is in none"},
	} {
		got, err := locate(c.mounts, c.memberships, c.version)
		if got != c.want || (err == nil) != (c.err == "") || (err != nil && err.Error() != c.err) {
			t.Errorf("%s: got %q, %v", c.name, got, err)
		}
	}
}

func FuzzLocate(f *testing.F) {
	f.Add(mountsV1, "4:memory:/a/b\n0::/\n", 1)
	f.Add("41 31 0:38 /a /b rw - cgroup2 cgroup2 rw", "0::/a", 2)
	f.Fuzz(func(t *testing.T, mounts, memberships string, version int) {
		dir, err := locate(mounts, memberships, version)
		if err == nil && dir != filepath.Clean(dir) {
			t.Errorf("%q", dir)
		}
	})
}

func TestStartTime(t *testing.T) {
	t.Parallel()
	stat := "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 10 11"
	if got := parseStartTime(stat); got != 4711 {
		t.Errorf("got %d", got)
	}
	for _, bad := range []string{"", "7 (a S", "7 (a) S 1", strings.Replace(stat, "4711", "x", 1)} {
		if got := parseStartTime(bad); got != 0 {
			t.Errorf("%q: got %d", bad, got)
		}
	}
}

func TestGroupNames(t *testing.T) {
	t.Parallel()
	mine := newGroupName("a-b")
	back, ok := parseGroupName(mine.prefix() + "12")
	if !ok || !back.of(mine) || back.seq != 12 || (startTime(os.Getpid()) != 0 && back.dead()) {
		t.Errorf("got %+v, %v", back, ok)
	}
	if other := newGroupName("a-b"); other.of(mine) {
		t.Error("two Runners have one name")
	}
	for _, bad := range []string{"", "teal-a", "teal-a.b", "teal-a.1-2-X.3", "xteal-" + mine.prefix()[5:], mine.prefix() + "1/../x"} {
		if _, ok := parseGroupName(bad); ok {
			t.Errorf("%q is a name", bad)
		}
	}
}

func FuzzParseGroupName(f *testing.F) {
	f.Add("teal-a.1-2-ABCDEFGHIJKLMNOPQRSTUVWXYZ.3")
	f.Add("teal-a.99999999999-2-ABCDEFGHIJKLMNOPQRSTUVWXYZ.3")
	f.Fuzz(func(t *testing.T, s string) {
		name, ok := parseGroupName(s)
		if ok && (!strings.HasPrefix(s, "teal-") || strings.ContainsAny(s, "/\n") || name.pid < 0) {
			t.Errorf("%q: %+v", s, name)
		}
	})
}

func TestGuardLearns(t *testing.T) {
	t.Parallel()
	prefix := "/sys/fs/cgroup/memory/" + newGroupName("x").prefix()
	k := guardedGroups{groups: map[int]uint64{}}
	text := cgroupLine(prefix) + addLine(10, 7) + addLine(11, 0) + removeLine(10) + addLine(12, 8) + "-12"
	if err := k.read(iotest.OneByteReader(strings.NewReader(text))); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[int]uint64{11: 0, 12: 8}, k.groups); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{prefix}, k.cgroups); diff != "" {
		t.Error(diff)
	}
}

func TestGuardRefusesWhatItMustNotKill(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"+0 1", "+1 1", "+-5 1", "+x 1", "+5", "-1", "", "hello", "cgroups /", "cgroups /sys/fs/cgroup", "cgroups teal-x.1-2-ABCDEFGHIJKLMNOPQRSTUVWXYZ."} {
		k := guardedGroups{groups: map[int]uint64{}}
		err := k.read(strings.NewReader(line + "\n" + addLine(44, 1)))
		if err == nil || len(k.cgroups) != 0 || len(k.groups) != 1 || k.groups[44] != 1 {
			t.Errorf("%q: %v, %+v", line, err, k)
		}
	}
}

// An ID that was given away again is a stranger's. Seen to fail without the
// comparison of the start times.
func TestGuardSparesASuccessor(t *testing.T) {
	c, err := forkPlain(forkRequest{path: "/bin/sleep", argv: []string{"sleep", "1000"}, files: []uintptr{0, 1, 2}, dies: true}, -1)
	if err != nil {
		t.Fatal(err)
	}
	start := startTime(c.pid)
	if start == 0 {
		t.Skip("this system does not say when a process was started")
	}
	stranger := guardedGroups{groups: map[int]uint64{c.pid: start + 1}}
	stranger.kill()
	own := guardedGroups{groups: map[int]uint64{c.pid: start}}
	time.AfterFunc(200*time.Millisecond, own.kill)
	began := time.Now()
	awaitEnd(t, c)
	if time.Since(began) < 100*time.Millisecond {
		t.Error("the stranger was killed")
	}
	if status, _, err := reap(c.pid); err != nil || !status.Signaled() {
		t.Errorf("got %v, %v", status, err)
	}
}

// awaitEnd waits until a child has ended, and ends it itself when that takes too long.
func awaitEnd(t *testing.T, c child) {
	t.Helper()
	insist := time.AfterFunc(20*time.Second, func() { send(c.pid, syscall.SIGKILL) })
	c.awaitExit()
	if !insist.Stop() {
		t.Error("nobody killed it in time")
	}
}

func FuzzGuard(f *testing.F) {
	f.Add("cgroups /x/teal-a.1-2-ABCDEFGHIJKLMNOPQRSTUVWXYZ.\n+5 6\n-5\n")
	f.Add("+99999999999999999999 1\n+2 99999999999999999999\n")
	f.Fuzz(func(t *testing.T, text string) {
		k := guardedGroups{groups: map[int]uint64{}}
		_ = k.read(strings.NewReader(text))
		for pgid := range k.groups {
			if pgid <= 1 || pgid > math.MaxInt32 {
				t.Errorf("would kill %d", pgid)
			}
		}
		for _, prefix := range k.cgroups {
			if !strings.HasPrefix(filepath.Base(prefix), "teal-") {
				t.Errorf("would remove %q", prefix)
			}
		}
	})
}

// However a stream is cut into reads, its lines are the same.
func TestLineSplitter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var text []byte
		for range rapid.IntRange(0, 6).Draw(t, "parts") {
			part := rapid.SliceOfN(rapid.SampledFrom([]byte{'a', 0, 0xff, '\n', '\r'}), 0, 50).Draw(t, "part")
			text = append(text, part...)
			text = append(text, bytes.Repeat([]byte{'x'}, rapid.SampledFrom([]int{0, 1, smallBuffer - 1, smallBuffer, MaxLine - 1, MaxLine, MaxLine + 1, 3 * MaxLine}).Draw(t, "long"))...)
		}
		var want []string
		for line := range bytes.Lines(text) {
			line = bytes.TrimSuffix(line, []byte("\n"))
			for len(line) > MaxLine {
				want, line = append(want, string(line[:MaxLine])), line[MaxLine:]
			}
			want = append(want, string(line))
		}
		var got []string
		s := lineSplitter{emit: func(line []byte, _ bool) { got = append(got, string(line)) }}
		step := rapid.SampledFrom([]int{61, smallBuffer, smallBuffer + 1, MaxLine - 1, MaxLine, 1 << 20}).Draw(t, "step")
		for r := (&stepReader{text, step}); ; {
			if _, err := s.step(r.Read); err != nil {
				break
			}
		}
		s.flush()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		if len(s.buf) > MaxLine {
			t.Fatalf("the buffer grew to %d", len(s.buf))
		}
	})
}

type stepReader struct {
	text []byte
	step int
}

func (r *stepReader) Read(p []byte) (int, error) {
	if len(r.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.text[:min(r.step, len(r.text))])
	r.text = r.text[n:]
	return n, nil
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	var b Backoff
	var got []time.Duration
	for range 11 {
		got = append(got, b.Next(time.Second))
	}
	got = append(got, b.Next(9*time.Second), b.Next(10*time.Second), b.Next(0))
	ms := time.Millisecond
	want := []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 6400 * ms, 12800 * ms, 25600 * ms, 30000 * ms, 30000 * ms, 30000 * ms, 100 * ms, 200 * ms}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBackoffProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.Int64Range(0, int64(time.Hour))
		b := Backoff{First: time.Duration(d.Draw(t, "first")), Max: time.Duration(d.Draw(t, "max")), Reset: time.Duration(d.Draw(t, "reset"))}
		limit := or(b.Max, 30*time.Second)
		last := time.Duration(0)
		for range 50 {
			up := time.Duration(d.Draw(t, "up"))
			got := b.Next(up)
			if got <= 0 || got > limit {
				t.Fatalf("got %s, limit %s", got, limit)
			}
			if up < or(b.Reset, 10*time.Second) && got < last {
				t.Fatalf("%s after %s", got, last)
			}
			last = got
		}
	})
}

func TestExitString(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]Exit{
		"exit status 1":               {Code: 1},
		"killed by signal terminated": {Code: -1, Signal: "terminated"},
		"out of memory: over 128MiB":  {Code: -1, Signal: "killed", OutOfMemory: true, Memory: 128 * teal.MiB},
		"out of memory":               {OutOfMemory: true},
	} {
		if got := e.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Cgroup v2 without its memory controller, if that is what the machine has: a
// process is born in its cgroup and cgroup.kill ends what left the group.
func TestCgroupV2(t *testing.T) {
	own, err := locate(readText("/proc/self/mountinfo"), readText("/proc/self/cgroup"), 2)
	if err != nil {
		t.Skip("no cgroup v2: ", err)
	}
	h := &hierarchy{version: 2, dir: own, name: newGroupName("v2")}
	g, err := h.create(1, 0)
	if err != nil {
		t.Skip("no cgroup can be made: ", err)
	}
	var c child
	onOwnThread(func() {
		c, err = forkExec(forkRequest{path: "/bin/sh", argv: []string{"sh", "-c", "setsid sleep 1000 & exec sleep 1000"}, env: os.Environ(), files: []uintptr{0, 1, 2}, group: g})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := readText("/proc/" + strconv.Itoa(c.pid) + "/cgroup"); !strings.Contains(got, "0::"+strings.TrimPrefix(g.dir, "/sys/fs/cgroup/unified")) && !strings.Contains(got, filepath.Base(g.dir)) {
		t.Errorf("born in %s", got)
	}
	deadline := time.Now().Add(10 * time.Second)
	for strings.Count(g.read("cgroup.procs"), "\n") != 2 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if got := strings.Count(g.read("cgroup.procs"), "\n"); got != 2 {
		t.Errorf("%d processes in the cgroup", got)
	}
	if h.version = versionOf(h.dir); h.version != 2 {
		t.Errorf("the guard takes it for version %d", h.version)
	}
	h.sweep(func(n groupName) bool { return n.of(h.name) })
	awaitEnd(t, c)
	if _, _, err := reap(c.pid); err != nil {
		t.Error(err)
	}
	if readText(filepath.Join(g.dir, "cgroup.procs")) != "" || g.remove() != nil {
		t.Error("the cgroup is still there")
	}
}

func TestField(t *testing.T) {
	t.Parallel()
	text := "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"
	if field(text, "oom_kill") != 3 || field(text, "oom") != 0 || field("oom_kill x\n", "oom_kill") != 0 {
		t.Error("misread")
	}
}
