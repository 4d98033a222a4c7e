package certificate

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"teal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// issue returns a self-signed certificate for the names and its key, as PEM.
func issue(t testing.TB, serial int64, until time.Time, names ...string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Unix(0, 0), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

var far = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// put writes a pair NAME.crt and NAME.key.
func put(t testing.TB, dir, name string, serial int64, names ...string) Pair {
	t.Helper()
	cert, key := issue(t, serial, far, names...)
	p := Pair{Cert: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key")}
	write(t, p.Cert, cert)
	write(t, p.Key, key)
	return p
}

// served returns the serial number that a client of that name gets.
func served(t testing.TB, f *Files, name string) int64 {
	t.Helper()
	hello := &tls.ClientHelloInfo{
		ServerName: name, SupportedVersions: []uint16{tls.VersionTLS13},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
	}
	certificate, err := f.Certificate(hello)
	if err != nil {
		t.Fatal(err)
	}
	return certificate.Leaf.SerialNumber.Int64()
}

func TestTheNameChooses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := put(t, t.TempDir(), "first", 1, "first.example")
	put(t, dir, "shop", 2, "shop.example", "www.shop.example")
	put(t, dir, "wild", 3, "*.shop.example")
	cert, key := issue(t, 4, far, "bot.example")
	write(t, filepath.Join(dir, "bot.example", "fullchain.pem"), cert)
	write(t, filepath.Join(dir, "bot.example", "privkey.pem"), key)
	write(t, filepath.Join(dir, "ca.crt"), cert) // without a key: not a pair
	f, err := Open(Config{Pairs: []Pair{first}, Folders: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int64{
		"shop.example": 2, "SHOP.example.": 2, "www.shop.example": 2, "api.shop.example": 3,
		"a.b.shop.example": 1, "bot.example": 4, "elsewhere.example": 1, "": 1,
	} {
		if got := served(t, f, name); got != want {
			t.Errorf("%q is served certificate %d, want %d", name, got, want)
		}
	}
}

func TestOpenNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := put(t, dir, "good", 1, "good.example")
	other := put(t, t.TempDir(), "other", 2, "other.example")
	write(t, filepath.Join(dir, "noise.pem"), []byte("noise"))
	for want, cfg := range map[string]Config{
		"missing.crt: no such file": {Pairs: []Pair{{Cert: filepath.Join(dir, "missing.crt"), Key: good.Key}}},
		"are not a certificate and": {Pairs: []Pair{{Cert: good.Cert, Key: other.Key}}},
		"failed to find any PEM":    {Pairs: []Pair{{Cert: filepath.Join(dir, "noise.pem"), Key: good.Key}}},
		"there is no certificate":   {Folders: []string{t.TempDir()}},
		"cannot read ":              {Folders: []string{filepath.Join(dir, "nowhere")}},
	} {
		if _, err := Open(cfg); !teal.IsCode(err, teal.CodeInvalidInput) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// Seen red without `next = before` in look, which took the spoiled pair out of
// use, and without the comparison in trouble, which said so at every look.
func TestWhatChangesIsTakenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		pair := put(t, dir, "shop", 1, "shop.example")
		var said bytes.Buffer
		f, err := Open(Config{Folders: []string{dir}, Logger: slog.New(slog.NewTextHandler(&said, nil))})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- f.Run(ctx) }()
		step := func(want int64, name string) {
			t.Helper()
			time.Sleep(11 * time.Second) // two looks, in the bubble's time
			synctest.Wait()
			if got := served(t, f, name); got != want {
				t.Fatalf("certificate %d is served, want %d; log:\n%s", got, want, said.String())
			}
		}
		put(t, dir, "shop", 2, "shop.example")
		step(2, "shop.example")

		cert, _ := issue(t, 3, far, "shop.example")
		write(t, pair.Cert, cert) // does not fit the key
		step(2, "shop.example")
		if n := strings.Count(said.String(), "level=WARN"); n != 1 || !strings.Contains(said.String(), "shop.crt") {
			t.Fatalf("said %d times, want once:\n%s", n, said.String())
		}
		put(t, dir, "shop", 4, "shop.example")
		step(4, "shop.example")
		if !strings.Contains(said.String(), "can be read again") {
			t.Fatalf("nothing said that it is right again:\n%s", said.String())
		}

		put(t, dir, "new", 5, "new.example")
		step(5, "new.example")
		_ = os.Remove(filepath.Join(dir, "new.key")) // half of a pair in use
		step(5, "new.example")
		_ = os.Remove(filepath.Join(dir, "new.crt"))
		step(4, "new.example")
		_ = os.RemoveAll(dir)
		step(4, "shop.example")

		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

func TestAnExpiredCertificateIsServedAndSaid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := issue(t, 7, time.Unix(1000, 0), "old.example")
	write(t, filepath.Join(dir, "old.crt"), cert)
	write(t, filepath.Join(dir, "old.key"), key)
	var said bytes.Buffer
	f, err := Open(Config{Folders: []string{dir}, Logger: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	f.look()
	if served(t, f, "old.example") != 7 || strings.Count(said.String(), "has expired") != 1 {
		t.Fatalf("log:\n%s", said.String())
	}
}
