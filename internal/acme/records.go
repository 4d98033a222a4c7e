package acme

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"teal"
	"teal/internal/store"
)

// record is a certificate in the store.
type record struct {
	Host  string `json:"host"`
	Chain string `json:"chain"` // PEM, the host's own first
	Key   string `json:"key"`   // PEM
}

// accountRecord is an account with an authority.
type accountRecord struct {
	Location string `json:"location"`
	Key      string `json:"key"` // PEM
}

// schema is the number of both kinds of record.
const schema = 1

// recordKey returns where the certificate of a host is: names have no underscores.
func recordKey(host string) string { return "certificate." + strings.ReplaceAll(host, ".", "_") }

func accountKey(directory string) string {
	sum := sha256.Sum256([]byte(directory))
	return "acme-account." + hex.EncodeToString(sum[:8])
}

// Load serves the certificates that are in the store. One that cannot be read is an
// alert, and is asked for anew.
func (m *Manager) Load(ctx context.Context) error {
	if !m.cfg.Automatic {
		return nil
	}
	entries, err := m.cfg.KV.List(ctx, "certificate.*")
	if err != nil {
		return fmt.Errorf("read the certificates: %w", err)
	}
	for _, entry := range entries {
		host, certificate, err := decode(entry.Value)
		switch {
		case err != nil:
			m.unreadable(entry.Key, err)
		case m.cfg.Now().After(certificate.Leaf.NotAfter):
			_ = m.remove(ctx, entry.Key) // it is of no use, nor does it harm
		default:
			m.publish(host, certificate)
		}
	}
	return nil
}

// decode returns the certificate of a record, and its host.
func decode(value []byte) (string, *tls.Certificate, error) {
	if err := store.CheckNumber(value, schema); err != nil {
		return "", nil, err
	}
	var r record
	if err := json.Unmarshal(value, &r); err != nil {
		return "", nil, err
	}
	certificate, err := r.certificate()
	return r.Host, certificate, err
}

func (m *Manager) unreadable(key string, err error) {
	m.cfg.Alerts.Report(teal.Alert{
		Code: teal.AlertRecordUnreadable, Subject: key,
		Message: "the stored certificate " + key + " cannot be understood: " + err.Error(),
		Remedy:  "nothing needs to be done: another one is asked for where a route wants it, and takes its place",
	})
}

// load reads a record; found is false for none, and for one that is none. One that a
// newer Teal has written is an error.
func (m *Manager) load(ctx context.Context, key string, into any) (found bool, err error) {
	entry, err := m.cfg.KV.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := checkNewer(key, entry); err != nil {
		return false, err
	}
	return json.Unmarshal(entry.Value, into) == nil, nil
}

// checkNewer refuses a record that a newer Teal has written.
func checkNewer(key string, entry store.Entry) error {
	if err := store.CheckNumber(entry.Value, schema); errors.Is(err, store.ErrNewer) {
		return fmt.Errorf("a newer Teal wrote %s, and this one leaves it as it is; `teal doctor --set-aside %s` does without it: %w", key, key, err)
	}
	return nil
}

// save writes a record, whatever is there, unless a newer Teal has written that.
func (m *Manager) save(ctx context.Context, key string, r any) error {
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	value = store.WithNumber(value, schema)
	entry, err := m.cfg.KV.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		_, err = m.cfg.KV.Create(ctx, key, value)
	} else if err == nil {
		if err = checkNewer(key, entry); err == nil {
			_, err = m.cfg.KV.Update(ctx, key, value, entry.Revision)
		}
	}
	if err == nil {
		m.cfg.Alerts.Resolve(teal.AlertRecordUnreadable, key)
	}
	return err
}

func (m *Manager) remove(ctx context.Context, key string) error {
	entry, err := m.cfg.KV.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = m.cfg.KV.Delete(ctx, key, entry.Revision)
	}
	return err
}
