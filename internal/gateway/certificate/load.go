package certificate

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"teal"
)

// loaded is a pair as it was read.
type loaded struct {
	cert, key   []byte // the files' content
	certificate *tls.Certificate
	leaf        *x509.Certificate
	names       []string // lower case
	warned      bool     // that it has expired has been said
}

func (l *loaded) same(other *loaded) bool {
	return bytes.Equal(l.cert, other.cert) && bytes.Equal(l.key, other.key)
}

// load reads a pair.
func load(pair Pair) (*loaded, error) {
	cert, err := os.ReadFile(pair.Cert)
	if err != nil {
		return nil, unreadable(pair.Cert, err)
	}
	key, err := os.ReadFile(pair.Key)
	if err != nil {
		return nil, unreadable(pair.Key, err)
	}
	certificate, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, teal.Errorf(teal.CodeInvalidInput, "%s and %s are not a certificate and its key: %s", pair.Cert, pair.Key, strings.TrimPrefix(err.Error(), "tls: "))
	}
	l := &loaded{cert: cert, key: key, certificate: &certificate, leaf: certificate.Leaf}
	for _, name := range l.leaf.DNSNames {
		l.names = append(l.names, strings.ToLower(name))
	}
	if len(l.names) == 0 && l.leaf.Subject.CommonName != "" {
		l.names = []string{strings.ToLower(l.leaf.Subject.CommonName)}
	}
	return l, nil
}

func unreadable(file string, err error) error {
	reason := err
	if inner := (*fs.PathError)(nil); errors.As(err, &inner) {
		reason = inner.Err
	}
	return teal.Errorf(teal.CodeInvalidInput, "cannot read %s: %w", file, reason)
}

// pairs lists the pairs of the configuration and those that are in its folders
// now, in a stable order.
func (f *Files) pairs() ([]Pair, error) {
	pairs := slices.Clone(f.cfg.Pairs)
	for _, folder := range f.cfg.Folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return nil, unreadable(folder, err)
		}
		for _, entry := range entries {
			if pair := pairAt(filepath.Join(folder, entry.Name())); f.isPair(pair) {
				pairs = append(pairs, pair)
			}
		}
	}
	return pairs, nil
}

// pairAt returns the pair that a file or folder of that name would be part of.
func pairAt(path string) Pair {
	if name, found := strings.CutSuffix(path, ".crt"); found {
		return Pair{Cert: path, Key: name + ".key"}
	}
	return Pair{Cert: filepath.Join(path, "fullchain.pem"), Key: filepath.Join(path, "privkey.pem")}
}

// isPair reports whether both files are there. One that is in use is also a pair
// when half of it is missing: it is being replaced, or was spoiled.
func (f *Files) isPair(p Pair) bool {
	cert, key := isFile(p.Cert), isFile(p.Key)
	return cert && key || (cert || key) && f.loaded[p] != nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
