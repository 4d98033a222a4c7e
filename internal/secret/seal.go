package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"teal"
)

// label begins every plaintext: what is encrypted says what it is of.
func label(s teal.Secret) []byte { return fmt.Appendf(nil, "%s/%s/%d\n", s.App, s.Name, s.Revision) }

// seal encrypts a value as that of a secret.
func seal(s teal.Secret, value []byte, with key) (teal.Secret, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, with.recipient)
	if err == nil {
		_, err = w.Write(append(label(s), value...))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return s, fmt.Errorf("encrypt the secret %s: %w", s.Name, err)
	}
	s.Key, s.Sealed = with.name, out.Bytes()
	return s, nil
}

// unseal returns the value of a secret. The error is a teal.CodeSecretUnavailable.
func (k *Keys) unseal(ctx context.Context, s teal.Secret) ([]byte, error) {
	with, err := k.named(ctx, s.Key)
	if err != nil {
		return nil, unavailable(s, teal.MessageOf(err))
	}
	plain, err := decrypt(s, with)
	if err != nil {
		return nil, unavailable(s, err.Error())
	}
	return plain, nil
}

func decrypt(s teal.Secret, with key) ([]byte, error) {
	damaged := errors.New("what is stored of it is damaged")
	r, err := age.Decrypt(bytes.NewReader(s.Sealed), with.identity)
	if err != nil {
		return nil, damaged
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, damaged
	}
	value, ours := bytes.CutPrefix(plain, label(s))
	if !ours {
		return nil, errors.New("what is stored of it is of another secret")
	}
	return value, nil
}

// unavailable says why a secret cannot be read.
func unavailable(s teal.Secret, why string) error {
	return teal.Errorf(teal.CodeSecretUnavailable, "the secret %s of app %s, revision %d, cannot be read: %s; `teal doctor` says what to do", s.Name, s.App, s.Revision, why)
}
