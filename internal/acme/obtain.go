package acme

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// obtainTimeout bounds the work on one certificate.
const obtainTimeout = 3 * time.Minute

// obtain asks the authority for a certificate for a host, keeps it and serves it.
func (m *Manager) obtain(ctx context.Context, host string) (*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, obtainTimeout)
	defer cancel()
	account, err := m.account(ctx)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	chains, err := m.client.ObtainCertificateForSANs(ctx, account, key, []string{host})
	if problem := (acme.Problem{}); errors.As(err, &problem) && problem.Type == acme.ProblemTypeAccountDoesNotExist {
		return nil, errors.Join(err, m.forgetAccount(ctx)) // the next try makes another
	}
	if err != nil {
		return nil, err
	}
	if len(chains) == 0 {
		return nil, errors.New("the authority has sent no certificate")
	}
	r := record{Host: host, Chain: string(chains[0].ChainPEM)}
	if r.Key, err = encodeKey(key); err != nil {
		return nil, err
	}
	certificate, err := r.certificate()
	if err != nil {
		return nil, fmt.Errorf("the authority has sent something else than a certificate for this host: %w", err)
	}
	m.publish(host, certificate)
	if err := m.save(ctx, recordKey(host), r); err != nil {
		// It is served all the same; the next start asks for another.
		m.cfg.Logger.Warn("a certificate is in use, but could not be stored", "host", host, "error", err)
	}
	return certificate.Leaf, nil
}

// certificate returns the certificate of a record, if it is one for its host.
func (r record) certificate() (*tls.Certificate, error) {
	certificate, err := tls.X509KeyPair([]byte(r.Chain), []byte(r.Key))
	if err != nil {
		return nil, err
	}
	return &certificate, certificate.Leaf.VerifyHostname(r.Host)
}

func encodeKey(key *ecdsa.PrivateKey) (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

func decodeKey(text string) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("it is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("it is of another kind")
	}
	return private, nil
}

// account returns the account with the authority, which is made where there is none.
func (m *Manager) account(ctx context.Context) (acme.Account, error) {
	m.accounts.Lock()
	defer m.accounts.Unlock()
	key := accountKey(m.cfg.Directory)
	var r accountRecord
	if found, err := m.load(ctx, key, &r); err != nil {
		return acme.Account{}, err
	} else if found {
		if private, err := decodeKey(r.Key); err == nil {
			return acme.Account{Status: acme.StatusValid, Location: r.Location, PrivateKey: private}, nil
		}
		m.cfg.Logger.Warn("the account with the certificate authority cannot be read; another one is made")
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return acme.Account{}, err
	}
	account := acme.Account{TermsOfServiceAgreed: true, PrivateKey: private}
	if m.cfg.Email != "" {
		account.Contact = []string{"mailto:" + m.cfg.Email}
	}
	if account, err = m.client.NewAccount(ctx, account); err != nil {
		return account, fmt.Errorf("make an account: %w", err)
	}
	r.Location = account.Location
	if r.Key, err = encodeKey(private); err != nil {
		return account, err
	}
	return account, m.save(ctx, key, r)
}

func (m *Manager) forgetAccount(ctx context.Context) error {
	m.accounts.Lock()
	defer m.accounts.Unlock()
	return m.remove(ctx, accountKey(m.cfg.Directory))
}

// quiet passes on what the ACME client says at the level of debugging: what went wrong
// is told in an alert.
type quiet struct{ slog.Handler }

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, _ slog.Level) bool {
	return q.Handler.Enabled(ctx, slog.LevelDebug)
}
