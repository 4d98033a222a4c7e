package certificate

import (
	"context"
	"crypto/tls"
	"log/slog"
	"sync/atomic"
	"time"

	"teal"
)

// Pair names the files of one certificate: a chain, leaf first, and the leaf's
// key, both PEM.
type Pair struct{ Cert, Key string }

// Config says where the certificates are.
type Config struct {
	// Pairs are there at the start and have to stay. The first certificate of
	// all is for clients that name no server, or one that no certificate is for.
	Pairs []Pair
	// Folders hold pairs that may come and go. Any of these is one:
	//
	//	NAME.crt and NAME.key
	//	NAME/fullchain.pem and NAME/privkey.pem
	Folders []string
	Logger  *slog.Logger  // nil: nothing is logged
	Every   time.Duration // between two looks; default 5 s
}

// Files is the certificates of a set of files. It is safe for concurrent use.
type Files struct {
	cfg     Config
	current atomic.Pointer[choice]

	// What the last look has found, touched only by Open and Run.
	loaded   map[Pair]*loaded
	troubles map[string]string // the last word on what is wrong, by place
}

// Open reads the certificates. The error, with teal.CodeInvalidInput, names the
// file that is wrong; so does one when there is no certificate at all.
func Open(cfg Config) (*Files, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Every == 0 {
		cfg.Every = 5 * time.Second
	}
	f := &Files{cfg: cfg, troubles: map[string]string{}}
	f.loaded = map[Pair]*loaded{}
	pairs, err := f.pairs()
	if err != nil {
		return nil, err
	}
	for _, pair := range pairs {
		if f.loaded[pair], err = load(pair); err != nil {
			return nil, err
		}
	}
	if len(pairs) == 0 {
		return nil, teal.Errorf(teal.CodeInvalidInput, "there is no certificate in %s; put NAME.crt and NAME.key there", cfg.Folders[0])
	}
	f.publish(pairs)
	f.warnExpired(pairs, time.Now())
	return f, nil
}

// Run takes up what changes in the files until ctx ends; then it returns nil.
func (f *Files) Run(ctx context.Context) error {
	ticker := time.NewTicker(f.cfg.Every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			f.look()
		}
	}
}

// Certificate returns the certificate for a handshake: one for the name that the
// client gives, with a key that it can use; else the first one of all. It is
// what tls.Config.GetCertificate asks for.
func (f *Files) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return f.current.Load().pick(hello), nil
}

// Named returns the certificate for the name that the client gives, nil for none.
func (f *Files) Named(hello *tls.ClientHelloInfo) *tls.Certificate {
	return f.current.Load().named(hello)
}

// Default returns the first certificate of all.
func (f *Files) Default() *tls.Certificate { return f.current.Load().first }

// Covers reports whether there is a certificate for a host, which may be a wildcard, in
// lower case.
func (f *Files) Covers(host string) bool { return len(f.current.Load().of(host)) > 0 }

// look reads the files once and uses what has changed and fits. What cannot be
// read or used is left as it was, and said once.
func (f *Files) look() {
	pairs, err := f.pairs()
	if err != nil {
		f.trouble("the folders", err)
		return
	}
	if len(pairs) == 0 { // what is served now is better than nothing
		f.trouble("the folders", teal.Errorf(teal.CodeInvalidInput, "every certificate is gone from its folder"))
		return
	}
	f.trouble("the folders", nil)
	now := map[Pair]*loaded{}
	usable := pairs[:0:0]
	changed := false
	for _, pair := range pairs {
		next, err := load(pair)
		f.trouble(pair.Cert, err)
		before := f.loaded[pair]
		if err != nil {
			next = before
		}
		if next == nil {
			continue // new and unusable
		}
		if before == nil || !before.same(next) {
			changed = true
			f.cfg.Logger.Info("a certificate is in use", "file", pair.Cert, "names", next.names, "expires", next.leaf.NotAfter)
		} else {
			next = before
		}
		now[pair] = next
		usable = append(usable, pair)
	}
	if len(now) > 0 && (changed || len(now) != len(f.loaded)) {
		f.loaded = now
		f.publish(usable)
	}
	f.warnExpired(usable, time.Now())
}

// trouble logs what is wrong with a place when that is news, and that it is
// right again.
func (f *Files) trouble(place string, err error) {
	said, troubled := f.troubles[place]
	switch {
	case err == nil && troubled:
		delete(f.troubles, place)
		f.cfg.Logger.Info("the certificates can be read again", "file", place)
	case err != nil && said != err.Error():
		f.troubles[place] = err.Error()
		f.cfg.Logger.Warn("a certificate cannot be used; the one before stays in use", "reason", err.Error())
	}
}

// warnExpired says once of each certificate that its time is over. It goes on
// being served: a client that looks gets a clear message, others do not care.
func (f *Files) warnExpired(pairs []Pair, now time.Time) {
	for _, pair := range pairs {
		if l := f.loaded[pair]; l != nil && !l.warned && now.After(l.leaf.NotAfter) {
			l.warned = true
			f.cfg.Logger.Warn("a certificate has expired; renew it", "file", pair.Cert, "names", l.names, "expired", l.leaf.NotAfter)
		}
	}
}

func (f *Files) publish(pairs []Pair) {
	c := newChoice()
	for _, pair := range pairs {
		c.add(f.loaded[pair])
	}
	f.current.Store(c)
}
