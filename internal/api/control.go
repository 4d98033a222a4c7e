package api

import (
	"context"
	"io"
	"iter"
	"time"

	"teal"
)

// Control is everything that the API can ask of the release controller. Every
// method returns a *teal.Error for a failure that a user may see, and may be
// called by many goroutines at once.
type Control interface {
	Deployer
	Releaser
	Catalog
	Aliaser
	Invoker
	Watcher
	Operator
}

// Deployer turns a spec into a version and, if asked, into a release.
type Deployer interface {
	// Deploy records the spec as a version, or finds the version that has the
	// same content, and starts a release of live to it. It returns as soon as
	// the release is recorded and does not wait for it.
	Deploy(ctx context.Context, d Deploy) (Deployed, error)
}

// Releaser moves the live alias of an app.
type Releaser interface {
	// Promote starts a release of live to the preview version, or to the
	// secondary version of a split. While a release runs it tells that one to
	// give green everything now. It does not wait for the release.
	Promote(ctx context.Context, app, by string) (teal.Release, error)
	// Rollback returns when live points back; the release may still be
	// retiring the version that was left. To 0 means where the traffic came
	// from. Calling it again is not an error.
	Rollback(ctx context.Context, app string, to int, by, why string) (teal.Release, error)
	// Abort ends the active release: before the switch nothing has moved, after
	// it the alias goes back.
	Abort(ctx context.Context, app, by, why string) (teal.Release, error)
	// Command tells the active release of an app to pause, to resume, or that a
	// step is approved: Kind is CommandPause, CommandResume or CommandApprove, Step
	// of an approval the step, 0 for the one that waits, and At is filled in. It
	// returns the release with the command, without waiting for what follows. It
	// returns CodeNoActiveRelease when none runs, and CodeConflict when the command
	// makes no sense now: nothing is paused, nothing waits for approval.
	Command(ctx context.Context, app string, command teal.Command) (teal.Release, error)
	// AnswerHook is the answer, VerdictPass or VerdictFail, of a hook that had
	// said that it would come later. The token alone proves the right to give
	// it; one that no waiting hook of the release has is a CodeNotFound. The
	// same answer again is not an error.
	AnswerHook(ctx context.Context, id, token string, verdict teal.Verdict, why string) error
}

// Catalog answers questions about what is recorded. An app that does not exist
// is a CodeUnknownApp.
type Catalog interface {
	Status(ctx context.Context, app string) (Status, error)
	Apps(ctx context.Context) ([]Status, error)                       // by name
	Versions(ctx context.Context, app string) ([]teal.Version, error) // oldest first
	Releases(ctx context.Context, app string) ([]teal.Release, error) // oldest first
	Release(ctx context.Context, id string) (teal.Release, error)
	// Intervals returns what was measured of the two versions of a release while
	// it ran, oldest first and as far as it is kept: JSON Lines, two for each
	// stretch of time, {"at": …, "side": "live"|"green", "requests": n,
	// "errors": n, "latency_ms": [[upper bound, count], …]}. The caller must
	// close it.
	Intervals(ctx context.Context, id string) (io.ReadCloser, error)
	// Schedules returns those of what is live of an app, of all apps for "", by app and
	// name.
	Schedules(ctx context.Context, app string) ([]ScheduleView, error)
}

// Aliaser writes aliases by hand.
type Aliaser interface {
	// SetAlias points an alias to versions and returns when every request
	// follows it. With a Revision it is a compare-and-swap: CodeConflict when
	// the alias has another one. While a release runs, its alias is refused
	// with CodeReleaseInProgress.
	SetAlias(ctx context.Context, set SetAlias) (AliasView, error)
	// AliasChanges returns the last moves of an app's aliases that no release has
	// made, oldest first.
	AliasChanges(ctx context.Context, app string) ([]teal.AliasChange, error)
}

// Invoker calls a function directly, without a route.
type Invoker interface {
	Invoke(ctx context.Context, call Invoke) (Invoked, error)
}

// Operator runs apps and takes them down, whatever is released of them.
type Operator interface {
	// OrderApp stops an app, starts it, freezes it, or ends that. Stop returns when no request reaches
	// anything of the app, start when what is live is healthy. CodeReleaseInProgress
	// says that a release has to end before the app can be stopped. What is so
	// already is no error.
	OrderApp(ctx context.Context, app string, order OrderApp) (Status, error)
	// DeleteApp returns when no request reaches anything of the app and its routes
	// are free; the rest goes in the background, whatever ends the server. One that
	// was deleted already is no error; CodeReleaseInProgress is as for a stop.
	DeleteApp(ctx context.Context, app string, d DeleteApp) (DeletedApp, error)
}

// Watcher tells what happens to an app.
type Watcher interface {
	// Watch sends the present records of the app, or of all apps when app is "",
	// then every change, in order and without a gap. The channel is closed when ctx ends, and may be closed
	// earlier (a consumer that is too slow, a store that is gone); the caller
	// then watches again and gets a new snapshot. It returns CodeUnknownApp
	// before anything is sent.
	Watch(ctx context.Context, app string) (<-chan Event, error)
}

// Bundles is where code is kept, by digest.
type Bundles interface {
	// Has reports whether the bundle is stored completely.
	Has(digest string) bool
	// Put stores the zip archive that r holds and returns its digest. A digest
	// other than want is a CodeInvalidBundle and stores nothing.
	Put(ctx context.Context, r io.Reader, want string) (string, error)
}

// Logs is what components have written.
type Logs interface {
	// Read yields the lines that match, oldest first. With Follow it goes on
	// until ctx ends. After an error it yields nothing more.
	Read(ctx context.Context, q LogQuery) iter.Seq2[LogLine, error]
}

// OrderApp is an order for an app.
type OrderApp struct {
	Kind    teal.AppOrderKind
	By, Why string
	For     *teal.Duration // of a freeze: how long; nil is without an end
}

// At returns the order as it is recorded when it is given at a time.
func (o OrderApp) At(now time.Time) teal.AppOrder {
	order := teal.AppOrder{Kind: o.Kind, By: o.By, Why: o.Why, At: now}
	if o.For != nil {
		until := now.Add(o.For.Std())
		order.Until = &until
	}
	return order
}

// DeleteApp says how an app is deleted.
type DeleteApp struct {
	By        string
	WithState bool // what its components have stored goes, too
}

// DeletedApp is what became of a deletion.
type DeletedApp struct {
	App     string `json:"app"`
	Already bool   `json:"already" doc:"It had been deleted before."`
	// KeptState is the folder, on the server, with what the components have stored
	// and which stays.
	KeptState string `json:"kept_state,omitempty" doc:"Folder on the server with what the app's components have stored, which was not deleted"`
	// RemovedState says that they had stored something, which an earlier deletion had
	// kept and this one has deleted.
	RemovedState bool `json:"removed_state,omitempty" doc:"What an earlier deletion of the app had kept is deleted now"`
}

// Deploy asks for a spec to be recorded and, with Release, released.
type Deploy struct {
	Spec    teal.Spec
	Policy  teal.Policy
	Release bool   // false: the version is only recorded and reachable by header
	By      string // who asks, for the record
	// Force says why judges, checks and approvals shall not stop the release;
	// Unfreeze why freeze windows shall not. "" is: they shall.
	Force    string
	Unfreeze string
	// RefreshSecrets has a version made that is bound to the newest revisions of its
	// secrets, although there is one of the same content with older ones.
	RefreshSecrets bool
}

// Deployed is what became of a Deploy.
type Deployed struct {
	Version teal.Version
	Created bool          // false: a version with the same content was there already
	Release *teal.Release // that was started; nil when there is nothing to release
	Live    bool          // the version already has all traffic
	// Warnings are sentences about what works, but not as the spec says.
	Warnings []string
}

// SetAlias asks for an alias to point to versions.
type SetAlias struct {
	App      string
	Alias    string
	Targets  []teal.Target
	Revision *uint64 // nil: whatever it is now
	By       string
}

// Invoke is one direct call of a function.
type Invoke struct {
	App       string
	Qualifier string // an alias, a version number or $LATEST; "" is live, or $LATEST where nothing is live
	Component string // "" is the app's only function
	Event     []byte // JSON
}

// Invoked is what a function answered, and the version that did.
type Invoked struct {
	Version teal.VersionRef
	Answer  teal.Answer
}

// EventKind says which sort of record an Event is about.
type EventKind string

// The kinds of event, each with the type of its value as a Watcher sends it, and as
// the API shows it.
const (
	EventApp         EventKind = "app"         // teal.App, AppView
	EventVersion     EventKind = "version"     // teal.Version, VersionView
	EventAlias       EventKind = "alias"       // teal.Alias, AliasEvent
	EventEnvironment EventKind = "environment" // teal.Environment, EnvironmentEvent
	EventRelease     EventKind = "release"     // teal.Release, ReleaseView
)

// Event is one record as it is now, or the news that it is gone.
type Event struct {
	Revision uint64    `json:"revision"` // of the record in the store
	Kind     EventKind `json:"kind"`
	App      string    `json:"app"`
	// Name tells the record from others of its kind in the app: the version
	// number, the alias's name, the release's ID; "" for the app itself.
	Name    string `json:"name,omitempty"`
	Deleted bool   `json:"deleted,omitempty"`
	// Value is the record, or its view, of the kind's type, or its JSON; nil when
	// deleted.
	Value any `json:"value,omitempty"`
}

// LogQuery selects log lines. Zero fields select everything.
type LogQuery struct {
	App       string
	Version   teal.VersionRef
	Component string
	Instance  string
	RequestID string
	Since     time.Time // only lines of that time and later
	Text      string    // only lines that contain it
	Tail      int       // only the last so many lines of what is there; 0 is all
	Follow    bool
}

// LogLine is one line that a component has written.
type LogLine struct {
	At        time.Time       `json:"at"`
	App       string          `json:"app"`
	Version   teal.VersionRef `json:"version"`
	Component string          `json:"component"`
	Instance  string          `json:"instance,omitempty"`
	RequestID string          `json:"request_id,omitempty"`
	Stream    string          `json:"stream"` // stdout, stderr, or platform for Teal's own lines
	Text      string          `json:"text"`
}
