package archtest

import (
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// rules is one set of rules; the real one is below, and the test of the rules
// has its own.
type rules struct {
	// only names, for a part, the other parts that it may import besides the
	// root and what is below itself.
	only map[string][]string
	// free lists the parts that need no line in only: they may import any other.
	free []string
	// layers names, for one package without what is below it, the very packages of
	// the module that it may import besides the root.
	layers map[string][]string
	// pure lists packages that import nothing that opens a connection.
	pure []string
	// carriers lists the packages of the gateway that may import net/http.
	carriers []string
	// written names, for a package, words in lower case that are written in no other
	// package of the gateway: what they are about is decided there alone.
	written map[string][]string
	// vendors names, for a prefix of import paths, the parts that may use it.
	// What no prefix covers may be used by none.
	vendors map[string][]string
	// bounds says, for a package, how many lines that are no tests it may have, and
	// which names of the root package it may use, and who may use it.
	bounds map[string]bound
	// later names parts that the design has and the code does not have yet.
	later []string
}

// bound keeps a package to what it is for.
type bound struct {
	lines  int
	domain []string // names of the root package; with a * at the end, those that begin so
	users  []string // that may import it, besides what is below it
}

// everyone in a vendor rule stands for all parts but the root.
const everyone = "*"

var designed = rules{
	only: map[string][]string{
		"internal/acme":       {"internal/doctor", "internal/store"},
		"internal/access":     {"internal/store"},
		"internal/analysis":   {},
		"internal/artifact":   {"internal/atomicfile", "internal/keylock", "internal/removal"},
		"internal/check":      {"internal/process", "internal/removal", "internal/secret"},
		"internal/atomicfile": {},
		"internal/await":      {}, // for tests: waits with a limit
		// What nodes say of themselves: it knows no gateway and no environment.
		"internal/backoff": {},
		"internal/cluster": {"internal/keylock", "internal/store"},
		"internal/cron":    {},
		// What a server keeps is made whole where it can be, and what cannot is reported.
		"internal/datadir": {"internal/atomicfile", "internal/doctor", "internal/pinned", "internal/store/natskv"},
		"internal/doctor":  {},
		// The queue knows no function: what an event is about is its worker's.
		"internal/event": {"internal/backoff", "internal/doctor", "internal/priority", "internal/store"},
		// Nor does a queue know who works on its messages.
		"internal/queue":    {"internal/backoff", "internal/doctor", "internal/priority", "internal/store"},
		"internal/priority": {},
		// Who works on messages: what is live is asked for them through its seams. What is
		// measured is what the gateway would have.
		"internal/consumer": {"internal/backoff", "internal/gateway", "internal/queue", "internal/store"},
		"internal/freeze":   {"internal/cron"},
		"internal/function": {"internal/process", "internal/http1", "internal/removal"},
		"internal/gateway":  {"internal/http1", "internal/http2"},
		"internal/http1":    {},
		"internal/http2":    {},
		"internal/keylock":  {},
		"internal/lease":    {"internal/store"},
		// Lambda's domain asks apps, aliases and environments of its own seams: it
		// imports neither the engine nor what runs things. The API's shapes are what it
		// answers, the gateway's claims what a call holds.
		"internal/lambda":    {"internal/access", "internal/api", "internal/artifact", "internal/backoff", "internal/event", "internal/function", "internal/gateway", "internal/keylock", "internal/logs", "internal/store"},
		"internal/logs":      {},
		"internal/meter":     {"internal/gateway", "internal/release"}, // who is measured, and who asks
		"internal/manifest":  {"internal/cron", "internal/yamltree"},   // what a freeze window must look like
		"internal/wholebody": {},                                       // for tests: an HTTP client for AWS's SDK
		"internal/nobody":    {},                                       // for tests: an address that refuses connections
		"internal/notify":    {},
		"internal/pinned":    {},
		"internal/process":   {},
		"internal/yamltree":  {},
		"internal/release":   {"internal/freeze"},
		"internal/removal":   {},
		"internal/roles":     {},
		"internal/ports":     {},
		// Values leave it for whoever starts a program, and for nobody else.
		"internal/secret":  {"internal/atomicfile", "internal/keylock", "internal/process", "internal/removal", "internal/store"},
		"internal/service": {"internal/ports", "internal/process", "internal/removal"},
		"internal/static":  {"internal/gateway"}, // whom it answers
		"internal/store":   {},
		"internal/tracing": {"internal/gateway"},
		// Its play-mate in tests has tokens in memory.
		"internal/api":    {"internal/access", "internal/cron", "internal/doctor", "internal/freeze", "internal/secret", "internal/store", "internal/store/memkv"},
		"internal/client": {"internal/api", "internal/pinned"},
		// It asks the API as whoever has signed in, and draws what the judge was told.
		"internal/console":  {"internal/access", "internal/analysis", "internal/api", "internal/client", "internal/describe", "internal/logs"},
		"internal/describe": {"internal/api", "internal/freeze"},
		// What the command line does, the REST API can do: it sees no engine. It
		// reads recordings, for which nobody needs a server.
		"internal/cli":      {"internal/access", "internal/analysis", "internal/api", "internal/artifact", "internal/atomicfile", "internal/client", "internal/console", "internal/describe", "internal/freeze", "internal/importer", "internal/manifest", "internal/pinned", "internal/scaffold", "internal/systemd/unit", "internal/yamltree"},
		"internal/scaffold": {"internal/manifest"},
		// What it writes is read as a manifest before anybody gets it.
		"internal/importer": {"internal/manifest", "internal/yamltree"},
		"internal/systemd":  {"internal/atomicfile", "internal/process"}, // units are files; an installation runs useradd and systemctl
		// Its folders are mended as the data directory's are.
		"internal/environment": {"internal/doctor", "internal/function", "internal/gateway", "internal/keylock", "internal/logs", "internal/process", "internal/release", "internal/removal", "internal/secret", "internal/service", "internal/static", "internal/store"},
		// Aliases and what runs become the gateway's table; the engine's journal and
		// router are made here.
		"internal/routing": {"internal/environment", "internal/gateway", "internal/keylock", "internal/release", "internal/store"},
		// It answers the REST API and tells the engine: it knows what both speak, and
		// reaches what runs through the router and the manager.
		"internal/control": {"internal/api", "internal/check", "internal/cron", "internal/environment", "internal/gateway", "internal/keylock", "internal/logs", "internal/meter", "internal/queue", "internal/release", "internal/routing", "internal/store", "internal/trigger"},
		// When it fires is its own; what is fired runs as hooks do, and as events of
		// functions do.
		"internal/trigger": {"internal/backoff", "internal/check", "internal/cron", "internal/event", "internal/gateway", "internal/logs", "internal/store"},
		// What may go is what no record names and nothing runs on: it looks at all
		// of them, and hands nothing back.
		"internal/retention": {"internal/api/awslambda", "internal/artifact", "internal/doctor", "internal/environment", "internal/removal", "internal/routing", "internal/store"},
		// In the form that the judge reads back; release ids are the store's.
		"internal/recording": {"internal/analysis", "internal/doctor", "internal/store"},
	},
	// The one puts all parts together, the other looks at all of them.
	free: []string{"internal/daemon", "internal/archtest"},
	// The way of a request goes down: from sockets to what a request means to which
	// version answers it. The carriers do not know each other; front puts them together.
	layers: map[string][]string{
		"internal/gateway":          {},
		"internal/gateway/payload":  {"internal/http1"}, // which headers are a server's alone is the codec's to say
		"internal/gateway/exchange": {"internal/gateway", "internal/gateway/payload", "internal/http1"},
		"internal/gateway/carried":  {"internal/gateway"}, // what one carrier lets another one answer
		"internal/gateway/loop":     {"internal/gateway", "internal/gateway/carried", "internal/gateway/exchange", "internal/gateway/payload", "internal/http1", "internal/http2"},
		"internal/gateway/nethttp":  {"internal/gateway", "internal/gateway/carried", "internal/gateway/exchange", "internal/gateway/payload", "internal/gateway/xconnect", "internal/http1"},
		"internal/gateway/front":    {"internal/gateway", "internal/gateway/exchange", "internal/gateway/loop", "internal/gateway/nethttp"},
		// What stands beside that way.
		"internal/gateway/accesslog":   {"internal/gateway"},
		"internal/gateway/certificate": {},
		"internal/gateway/xconnect":    {},
	},
	pure:     []string{"internal/gateway", "internal/gateway/exchange", "internal/gateway/payload", "internal/http1", "internal/http2"},
	carriers: []string{"internal/gateway/nethttp", "internal/gateway/front"},
	written: map[string][]string{
		"internal/gateway/exchange": {
			"teal-version", "teal-alias", "x-forwarded-", "x-real-ip", "traceparent", "tracestate", "x-amzn-", "set-cookie",
			"retry-after", "application/problem+json", "grpc-status", "grpc-message", "grpc-timeout", "text/event-stream", "sec-fetch-site",
		},
	},
	vendors: map[string][]string{
		"filippo.io/age":                 {"internal/secret"},
		"github.com/nats-io/":            {"internal/store/natskv"},
		"github.com/danielgtaylor/huma/": {"internal/api", "internal/manifest"},
		"github.com/spf13/":              {"internal/cli", "packaging"}, // commands, and what is written about them
		"golang.org/x/net/http2/hpack":   {"internal/http2"},
		"github.com/charmbracelet/":      {"internal/cli"},
		"golang.org/x/term":              {"internal/cli"},
		"github.com/goccy/go-yaml":       {"internal/yamltree"},
		"github.com/prometheus/":         {"internal/meter"},
		"github.com/aws/":                {"internal/target", "examples", "test/bench", "internal/api/awslambda"}, // tests may use it anywhere; the API, its event streams
		"github.com/docker/":             {"internal/target"},
		"k8s.io/":                        {"internal/target"},
		"go.opentelemetry.io/otel":       {"internal/tracing"},
		"golang.org/x/sync/":             {everyone},
		"golang.org/x/sys/":              {everyone},
		"github.com/google/uuid":         {everyone},
		"github.com/joho/godotenv":       {"internal/manifest"},
		"golang.org/x/net/idna":          {"internal/manifest"},
		"github.com/moby/patternmatcher": {"internal/artifact"},
		"github.com/google/go-cmp/":      {"internal/store/storetest"},
		"pgregory.net/rapid":             {"internal/store/storetest"},

		"github.com/coreos/go-systemd/": {"internal/systemd"},
		"github.com/mholt/acmez/":       {"internal/acme"},
		// A module of its own: none of these is in the program.
		"github.com/goreleaser/nfpm/":             {"packaging"},
		"github.com/google/go-containerregistry/": {"packaging"},
		"golang.org/x/crypto/x509roots/":          {"packaging"},
	},
	bounds: map[string]bound{
		// The composition root composes. Whoever decides about apps, versions, aliases or
		// releases must name one, so a rule of the domain cannot be written here: what it
		// may name is for starting a server, for saying why it cannot, and for alerts.
		"internal/daemon": {lines: 1000, domain: []string{
			"Alert*", "Bytes", "CodeDataInUse", "CodeDiskFull", "CodeInvalidInput", "CodeOf", "CodePortTaken",
			"Error", "Errorf", "IsCode", "MessageOf",
		}, users: []string{"cmd/teal", "test/bench"}},
	},
	later: []string{"internal/target"},
}

// forbiddenToRoot are the trees of the standard library that do I/O.
var forbiddenToRoot = []string{"net", "os", "syscall", "log", "plugin", "io/ioutil"}

// noNames say what a package is like instead of what it is for.
var noNames = []string{"util", "utils", "common", "helper", "helpers", "type", "types", "model", "models", "misc", "shared", "base"}

func (r rules) broken(m module) []string {
	var found findings
	found.root(m)
	found.sideways(m, r)
	found.unruled(m, r)
	found.vendors(m, r)
	found.redirects(m)
	found.forks(m)
	found.names(m)
	found.docs(m)
	found.bounds(m, r)
	found.layers(m, r)
	found.pure(m, r)
	found.carriers(m, r)
	found.written(m, r)
	found.stale(m, r)
	return found
}

// root: the domain imports only the standard library, does no I/O, starts no
// goroutine and reads no clock.
func (f *findings) root(m module) {
	m.eachImport("", func(_, name, imported string) {
		if !standard(imported) {
			f.addf("%s imports %s; the root package uses the standard library alone", name, imported)
		}
		for _, tree := range forbiddenToRoot {
			if within(imported, tree) {
				f.addf("%s imports %s; the root package does no I/O", name, imported)
			}
		}
	})
	if !slices.Contains(m.dirs(), "") {
		f.addf("there is no root package")
		return
	}
	for _, file := range m[""].files {
		for _, at := range file.clock {
			f.addf("%s reads the clock; in the root package time is a parameter", at)
		}
		for _, at := range file.spawns {
			f.addf("%s starts a goroutine in the root package", at)
		}
	}
}

// sideways: a part imports the root, itself, and what its line lists.
func (f *findings) sideways(m module, r rules) {
	for _, part := range slices.Sorted(maps.Keys(r.only)) {
		m.eachImport(part, func(_, name, imported string) {
			dir, ours := folder(imported)
			if !ours || dir == "" || within(dir, part) {
				return
			}
			for _, allowed := range r.only[part] {
				if within(dir, allowed) {
					return
				}
			}
			f.addf("%s imports %s; %s may import %s", name, imported, part,
				strings.Join(append([]string{"the root"}, r.only[part]...), ", "))
		})
	}
}

// unruled: what no line is about may import anything, so every part has one, and every
// package of the gateway a layer.
func (f *findings) unruled(m module, r rules) {
	var seen []string
	for _, dir := range m.dirs() {
		if below, ours := strings.CutPrefix(dir, "internal/"); ours {
			name, _, _ := strings.Cut(below, "/")
			part := "internal/" + name
			if _, ruled := r.only[part]; !ruled && !slices.Contains(r.free, part) && !slices.Contains(seen, part) {
				seen = append(seen, part)
				f.addf("no line says what %s may import", part)
			}
		}
		if _, ruled := r.layers[dir]; !ruled && within(dir, "internal/gateway") {
			f.addf("no line says in which layer of the gateway %s is", dir)
		}
	}
}

// vendors: an SDK appears in its driver alone.
func (f *findings) vendors(m module, r rules) {
	m.eachImport("*", func(dir, name, imported string) {
		if _, ours := folder(imported); ours || standard(imported) || dir == "" {
			return
		}
		for prefix, parts := range r.vendors {
			if !strings.HasPrefix(imported, prefix) {
				continue
			}
			for _, part := range parts {
				if within(dir, part) || part == everyone {
					return
				}
			}
			f.addf("%s imports %s; only %s may", name, imported, strings.Join(parts, ", "))
			return
		}
		f.addf("%s imports %s, which no rule knows; say in archtest who may", name, imported)
	})
}

// redirects: who is asked answers; nobody is sent elsewhere by what answers.
func (f *findings) redirects(m module) {
	for _, dir := range m.dirs() {
		if !within(dir, "internal") && !within(dir, "cmd") {
			continue
		}
		for _, file := range m[dir].files {
			for _, at := range file.follows {
				f.addf("%s follows redirects; give the client a CheckRedirect that returns http.ErrUseLastResponse", at)
			}
		}
	}
}

func (f *findings) names(m module) {
	for _, dir := range m.dirs() {
		for _, name := range []string{m[dir].name, path.Base(dir)} {
			if slices.Contains(noNames, name) {
				f.addf("package %s in %q has a name that says nothing", name, dir)
				break
			}
		}
	}
}

func (f *findings) docs(m module) {
	for _, dir := range m.dirs() {
		p := m[dir]
		begins := "Package " + p.name + " "
		if p.name == "main" {
			begins = "Command "
		}
		documented := func(file file) bool { return strings.HasPrefix(file.doc, begins) }
		if !slices.ContainsFunc(p.files, documented) {
			f.addf("package %s in %q has no doc comment that begins with %q", p.name, dir, begins)
		}
	}
}

// layers: a package imports the root and the very packages that its line lists.
func (f *findings) layers(m module, r rules) {
	for _, dir := range slices.Sorted(maps.Keys(r.layers)) {
		m.eachImport(dir, func(in, name, imported string) {
			below, ours := folder(imported)
			if in == dir && ours && below != "" && !slices.Contains(r.layers[dir], below) {
				f.addf("%s imports %s; %s is above or beside %s", name, imported, below, dir)
			}
		})
	}
}

// pure: what decides opens no connection.
func (f *findings) pure(m module, r rules) {
	for _, dir := range r.pure {
		m.eachImport(dir, func(in, name, imported string) {
			if in == dir && (imported == "net" || within(imported, "net/http") || imported == "os") {
				f.addf("%s imports %s; %s does no I/O", name, imported, dir)
			}
		})
	}
}

// carriers: only what carries requests on net/http knows it, so that another
// carrier can take its place.
func (f *findings) carriers(m module, r rules) {
	m.eachImport("internal/gateway", func(dir, name, imported string) {
		if within(imported, "net/http") && !slices.Contains(r.carriers, dir) {
			f.addf("%s imports %s; in the gateway only %s may", name, imported, strings.Join(r.carriers, ", "))
		}
	})
}

// written: a rule about a request is written once, so its words are.
func (f *findings) written(m module, r rules) {
	for _, dir := range m.dirs() {
		if !within(dir, "internal/gateway") {
			continue
		}
		for _, file := range m[dir].files {
			for _, text := range file.texts {
				for owner, words := range r.written {
					if i := slices.IndexFunc(words, func(word string) bool { return strings.Contains(strings.ToLower(text.value), word) }); i >= 0 && dir != owner {
						f.addf("%s writes %q; what is about %s is decided in %s", text.at, text.value, words[i], owner)
					}
				}
			}
		}
	}
}

// bounds: a package stays as small, and as far from the domain and from others, as its
// line says.
func (f *findings) bounds(m module, r rules) {
	for _, part := range slices.Sorted(maps.Keys(r.bounds)) {
		if !slices.Contains(m.dirs(), part) {
			continue // stale says so
		}
		bound, lines := r.bounds[part], 0
		for _, file := range m[part].files {
			lines += file.lines
			for _, use := range file.domain {
				if !bound.allows(use.name) {
					f.addf("%s names teal.%s; %s decides nothing about the domain, and may name %s", use.at, use.name, part, strings.Join(bound.domain, ", "))
				}
			}
		}
		m.eachImport("*", func(dir, name, imported string) {
			if target, ours := folder(imported); ours && target == part && !within(dir, part) && !slices.Contains(bound.users, dir) {
				f.addf("%s imports %s; only %s may", name, imported, strings.Join(bound.users, ", "))
			}
		})
		if lines > bound.lines {
			f.addf("%s has %d lines without its tests; it may have %d: move what is not its own to the package whose matter it is", part, lines, bound.lines)
		}
	}
}

func (b bound) allows(name string) bool {
	return slices.ContainsFunc(b.domain, func(allowed string) bool {
		prefix, any := strings.CutSuffix(allowed, "*")
		return name == allowed || any && strings.HasPrefix(name, prefix)
	})
}

// stale: a rule about a package that is gone protects nothing.
func (f *findings) stale(m module, r rules) {
	var named []string
	for part, others := range r.only {
		named = append(append(named, part), others...)
	}
	for part, others := range r.layers {
		named = append(append(named, part), others...)
	}
	for _, parts := range r.vendors {
		named = append(named, parts...)
	}
	named = slices.AppendSeq(append(named, r.free...), maps.Keys(r.bounds))
	named = append(append(named, r.pure...), r.carriers...)
	named = slices.AppendSeq(named, maps.Keys(r.written))
	slices.Sort(named)
	for _, part := range slices.Compact(named) {
		if part != everyone && !m.has(part) && !slices.Contains(r.later, part) {
			f.addf("a rule names %s, which does not exist", part)
		}
	}
	for _, part := range r.later {
		if m.has(part) {
			f.addf("%s exists now; take it off the list of what comes later", part)
		}
	}
}

func TestImportsFollowTheDesign(t *testing.T) {
	t.Parallel()
	m := load(t, os.DirFS("../.."))
	if len(m) < 5 {
		t.Fatalf("found only %v", m.dirs())
	}
	for _, broken := range designed.broken(m) {
		t.Error(broken)
	}
}
