package certificate

import (
	"cmp"
	"crypto/tls"
	"strings"
)

// choice finds the certificate for a name. It is immutable once published.
type choice struct {
	first  *tls.Certificate
	byName map[string][]*tls.Certificate // also "*.example.com"
}

func newChoice() *choice { return &choice{byName: map[string][]*tls.Certificate{}} }

func (c *choice) add(l *loaded) {
	if c.first == nil {
		c.first = l.certificate
	}
	for _, name := range l.names {
		c.byName[name] = append(c.byName[name], l.certificate)
	}
}

// of returns the certificates for a name, which may be a wildcard, in lower case.
func (c *choice) of(name string) []*tls.Certificate {
	list := c.byName[name]
	if _, parent, found := strings.Cut(name, "."); len(list) == 0 && found {
		list = c.byName["*."+parent]
	}
	return list
}

// named returns the certificate for the name that the client gives, nil for none. Of
// several for one name, such as one with an RSA key and one with an elliptic curve, the
// first that the client can use is taken.
func (c *choice) named(hello *tls.ClientHelloInfo) *tls.Certificate {
	list := c.of(strings.ToLower(strings.TrimSuffix(hello.ServerName, ".")))
	for _, certificate := range list {
		if hello.SupportsCertificate(certificate) == nil {
			return certificate
		}
	}
	if len(list) > 0 {
		return list[0]
	}
	return nil
}

// pick returns the certificate for a handshake: one for the name, else the first.
func (c *choice) pick(hello *tls.ClientHelloInfo) *tls.Certificate {
	return cmp.Or(c.named(hello), c.first)
}
