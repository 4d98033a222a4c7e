package awslambda

import (
	"context"
	"io"
	"time"

	"teal"
)

// Ref is a function as Teal knows it: a component of an app.
type Ref struct {
	App       string
	Component string
}

// Name is a function under the name that AWS's tools use.
type Name struct {
	Name string
	Ref
}

// Item is a function's version, or its draft, in a list.
type Item struct {
	Name
	Version teal.VersionRef
}

// Order sorts the draft before the versions, as AWS does.
func (i Item) Order() int {
	number, _ := i.Version.Number()
	return number
}

// key is the item's place in a list of all: a space comes before all characters
// of names.
func (i Item) key() string { return i.Name.Name + " " + numberKey(i.Order()) }

// Content is what one version of a function, or its draft, is made of.
type Content struct {
	Version    teal.VersionRef
	Function   teal.Function
	ModifiedAt time.Time
	Revision   string // another one whenever the content, or what is being done to it, has changed
	// Change is what is still being done to a draft, until Settles. A content that is
	// as it will stay has none.
	Change  Change
	Settles time.Time
}

// Change is what is being done to a draft.
type Change string

// The changes that there are.
const (
	Creating Change = "create"
	Updating Change = "update"
)

// Alias is an alias and the revision that a compare-and-swap names.
type Alias struct {
	teal.Alias
	Revision uint64
}

// Call is one invocation.
type Call struct {
	Ref       Ref
	Name      string          // by which the function was called
	Qualifier string          // "", $LATEST, a number or an alias
	Version   teal.VersionRef // chosen before; 0: by the qualifier, now
	RequestID string
	Event     []byte
	// ClientContext is base64-encoded JSON, "" for none.
	ClientContext string
	TraceID       string
	Tail          bool // also return the end of the log
	// Stream returns what gets a streamed answer, when the version has been
	// chosen; nil: the answer is collected.
	Stream func(version teal.VersionRef) teal.Stream `json:"-"`
}

// Result is what became of a call.
type Result struct {
	Version teal.VersionRef
	Answer  teal.Answer
	Log     []byte // the last 4 KB, where asked for
}

// Event is an asynchronous invocation that has been accepted.
type Event struct {
	Call
	AcceptedAt time.Time
}

// Backend is what the API needs of Teal. Every method returns a *teal.Error, or
// a *Fault where only AWS has a word for it, and may be called by many
// goroutines at once.
type Backend interface {
	Functions
	Codes
	Aliases
	Invoker
	Settings
	Layers
}

// Functions are apps' function components, their versions and drafts. A function
// that does not exist is a teal.CodeUnknownApp.
type Functions interface {
	// Find returns the function of that name.
	Find(ctx context.Context, name string) (Ref, error)
	// Names returns all functions, sorted by name.
	Names(ctx context.Context) ([]Name, error)
	// List returns the drafts of all functions, or with all set every version,
	// too, by name and then the draft first. Nobody may change the list.
	List(ctx context.Context, all bool) ([]Item, error)
	// Listed returns what an item of a list is made of; false when it was deleted
	// meanwhile.
	Listed(item Item) (Content, bool)
	Draft(ctx context.Context, ref Ref) (Content, error)
	// Create makes an app with one function, which is its draft;
	// teal.CodeExists when the name is taken.
	Create(ctx context.Context, ref Ref, f teal.Function) (Content, error)
	// Change replaces the draft by what change makes of it. When it has
	// returned, no invocation that starts sees the old one. An error of change is
	// returned as it is, and nothing is changed.
	Change(ctx context.Context, ref Ref, change func(Content) (teal.Function, error)) (Content, error)
	// Publish records the draft as a version, as make has it; last is the newest
	// version, nil for none. When make returns nil there is nothing to publish,
	// and the newest version is the result.
	Publish(ctx context.Context, ref Ref, make func(draft Content, last *Content) (*teal.Function, error)) (Content, error)
	Version(ctx context.Context, ref Ref, number int) (Content, error)
	// Versions returns the numbered versions, oldest first.
	Versions(ctx context.Context, ref Ref) ([]Content, error)
	// Delete removes the app with everything that belongs to it. Its numbers are
	// not given out again.
	Delete(ctx context.Context, ref Ref) error
	// DeleteVersion removes one version that nothing uses.
	DeleteVersion(ctx context.Context, ref Ref, number int) error
}

// Codes keeps zips: unpacked to run, and as they were sent to be handed out.
type Codes interface {
	// PutCode stores a zip and returns the digest of the bundle in it.
	PutCode(ctx context.Context, zip []byte) (digest string, err error)
	// Code returns the zip that was sent with a SHA-256 in hexadecimal, or, for
	// one that was not sent here, packs the bundle.
	Code(ctx context.Context, sha256, digest string) (io.ReadCloser, error)
	// Keep keeps all code, needed or not, until release is called: from before
	// code is put, or a layer looked up, until a record says that it is needed.
	Keep() (release func())
	// Unpacked returns how many bytes a bundle holds.
	Unpacked(ctx context.Context, digest string) (int64, error)
	// Stack lays bundles over each other, as they are when a function starts;
	// teal.CodeInvalidBundle when they do not go together.
	Stack(ctx context.Context, digests []string) error
}

// Layers keeps versions of layers. One that does not exist is a
// teal.CodeNotFound.
type Layers interface {
	// PublishLayer records a version and returns it with its number.
	PublishLayer(ctx context.Context, l Layer) (Layer, error)
	Layer(ctx context.Context, name string, number int) (Layer, error)
	// Layers returns the versions of a layer, or of all layers for "", by name,
	// oldest first.
	Layers(ctx context.Context, name string) ([]Layer, error)
	// DeleteLayer removes a version. Functions that have it keep it.
	DeleteLayer(ctx context.Context, name string, number int) error
	// ChangeLayerPolicy lets change edit the policy. An error of change is
	// returned as it is.
	ChangeLayerPolicy(ctx context.Context, name string, number int, change func(*Policy) error) (Layer, error)
}

// Aliases are the app's.
type Aliases interface {
	Alias(ctx context.Context, ref Ref, name string) (Alias, error)
	// Aliases returns the stored aliases, by name.
	Aliases(ctx context.Context, ref Ref) ([]Alias, error)
	// SetAlias writes an alias at a revision, 0 for a new one, and returns when
	// every request follows it. It starts the versions that do not run.
	SetAlias(ctx context.Context, alias teal.Alias, revision uint64) (Alias, error)
	DeleteAlias(ctx context.Context, ref Ref, name string) error
}

// Invoker runs functions.
type Invoker interface {
	// Invoke runs one invocation to its end. What the function said is in the
	// result, also when it failed; the error is about what kept it from running.
	Invoke(ctx context.Context, call Call) (Result, error)
	// Enqueue accepts an event durably and picks its version.
	Enqueue(ctx context.Context, event Event) (version teal.VersionRef, err error)
	// Choose returns the version that a call would be for.
	Choose(ctx context.Context, ref Ref, qualifier string) (teal.VersionRef, error)
}

// Settings keeps what belongs to a function and not to its versions.
type Settings interface {
	Extras(ctx context.Context, ref Ref) (Extras, error)
	// ChangeExtras lets change edit the record, which then takes effect. An
	// error of change is returned as it is.
	ChangeExtras(ctx context.Context, ref Ref, change func(*Extras) error) (Extras, error)
	// Warm returns how many instances stand ready of a version, or of the one that
	// an alias belongs to.
	Warm(ctx context.Context, ref Ref, qualifier string) (int, error)
}
