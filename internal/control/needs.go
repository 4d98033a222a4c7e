package control

import (
	"context"
	"io"

	"teal"
)

// Bundles is the code that has been uploaded.
type Bundles interface{ Has(digest string) bool }

// Hooks takes the answers of hooks that come later.
type Hooks interface {
	Answer(release, token string, verdict teal.Verdict, why string) error
}

// Recordings is what was kept of what releases were judged by.
type Recordings interface {
	// Read returns nothing, and no error, for a release of which nothing was kept.
	Read(release string) (io.ReadCloser, error)
}

// Pins keep code that somebody is about to need.
type Pins interface {
	// HoldFor keeps the code of a version and of how it is released until the
	// returned function is called. It waits for those pieces of it that are being
	// removed.
	HoldFor(spec teal.Spec, policy teal.Policy) (release func())
}

// Numbers are the last ones that deleted apps have given out.
type Numbers interface {
	Numbers(ctx context.Context, app string) (version, release int, err error)
}

// Deletions are the apps that are on their way out.
type Deletions interface {
	// Await blocks while an app of that name is being deleted.
	Await(ctx context.Context, app string) error
}
