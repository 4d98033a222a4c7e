package pinned_test

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"teal"
	"teal/internal/pinned"
)

// Seen red with Parse taking fingerprints of other lengths, and without colons.
func TestFingerprintsAreReadAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digits")
		want := pinned.Fingerprint(raw)
		digits := strings.TrimPrefix(want.String(), "sha256:")
		pairs := make([]string, 0, len(raw))
		for i := 0; i < len(digits); i += 2 {
			pairs = append(pairs, strings.ToUpper(digits[i:i+2]))
		}
		for _, text := range []string{want.String(), digits, " " + want.String() + "\n", strings.Join(pairs, ":"), "sha256 Fingerprint=" + strings.Join(pairs, ":")} {
			if got, err := pinned.Parse(text); err != nil || got != want {
				t.Fatalf("%q: %v, %v", text, got, err)
			}
		}
		for _, text := range []string{"", "sha256:", want.String()[:70], want.String() + "00", "sha1:" + digits, strings.Repeat("g", 64)} {
			if _, err := pinned.Parse(text); !teal.IsCode(err, teal.CodeInvalidInput) {
				t.Fatalf("%q: %v", text, err)
			}
		}
	})
}

// server answers over TLS with a certificate of its own, and returns its address and
// its certificate's fingerprint.
func server(t *testing.T) (address string, pin pinned.Fingerprint) {
	t.Helper()
	certificate, key, err := pinned.Create()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "admin.crt")
	if err := os.WriteFile(file, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	if pin, err = pinned.OfFile(file); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: http.NotFoundHandler()} //nolint:gosec // a test's
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = web.Serve(tls.NewListener(plain, pinned.ServerConfig(pair, func(*tls.ClientHelloInfo) *tls.Certificate { return nil })))
	}()
	t.Cleanup(func() { _ = web.Close(); <-done })
	return plain.Addr().String(), pin
}

// A client that has pinned a certificate talks to who has its key, and to nobody else,
// in resumed sessions as in new ones. Seen red with a VerifyConnection that returns nil.
func TestAPinnedCertificateIsTheOnlyOne(t *testing.T) {
	t.Parallel()
	address, pin := server(t)
	other, otherPin := server(t)
	config := pinned.ClientConfig(pin)
	config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	for range 3 {
		conn, err := tls.Dial("tcp", address, config)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	_, err := tls.Dial("tcp", other, config)
	var mismatch *pinned.MismatchError
	if !errors.As(err, &mismatch) || mismatch.Want != pin || mismatch.Got != otherPin {
		t.Errorf("another server: %v", err)
	}
}

// The certificate can stand in a file of authorities, as AWS's tools take one, and is
// good for this machine's addresses. Seen red without IPAddresses.
func TestTheCertificateIsItsOwnAuthority(t *testing.T) {
	t.Parallel()
	certificate, _, err := pinned.Create()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(certificate)
	for _, want := range []string{"localhost", "127.0.0.1"} {
		if err := verify(block.Bytes, want); err != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := verify(block.Bytes, "teal.example.com"); err == nil {
		t.Error("it is good for names that are not this machine's")
	}
}

func TestAFileWithoutACertificateHasNoFingerprint(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "x.pem")
	for _, text := range []string{"", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := pinned.OfFile(file); err == nil {
			t.Errorf("%q has one", text)
		}
	}
	if _, err := pinned.OfFile(file + ".none"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
