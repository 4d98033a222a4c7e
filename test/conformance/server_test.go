package conformance

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// teal is the program: TEAL, or the one that TestMain has built.
var teal = os.Getenv("TEAL")

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if teal == "" {
		dir, err := os.MkdirTemp("", "teal-conformance-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		teal = filepath.Join(dir, "teal")
		build := exec.Command("go", "build", "-o", teal, "./cmd/teal")
		build.Dir = "../.."
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}

// server is a running Teal.
type server struct {
	t           *testing.T
	data        string
	http, https string // addresses
	roots       *x509.CertPool
}

func start(t *testing.T) *server {
	t.Helper()
	dir := t.TempDir()
	s := &server{t: t, data: filepath.Join(dir, "data"), roots: x509.NewCertPool()}
	certificates := filepath.Join(dir, "tls")
	s.roots.AppendCertsFromPEM(issue(t, certificates))
	cmd := exec.Command(teal, "server", "--data", s.data, "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0",
		"--https", "127.0.0.1:0", "--tls-dir", certificates, "--limit", "shutdown-grace=2s")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the server's log:\n%s", log.String())
		}
	})
	s.http, s.https = s.addr("http.addr"), s.addr("https.addr")
	return s
}

// addr waits for the server to say an address.
func (s *server) addr(file string) string {
	s.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if data, err := os.ReadFile(filepath.Join(s.data, file)); err == nil && len(data) > 0 {
			return strings.TrimSpace(string(data))
		}
	}
	s.t.Fatalf("the server never says its %s", file)
	return ""
}

// deploy deploys an app of the manifest and waits until it is live.
func (s *server) deploy(manifest string) {
	s.t.Helper()
	dir := s.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "teal.yaml"), []byte(manifest), 0o600); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, teal, "deploy", dir)
	cmd.Env = append(os.Environ(), "TEAL_DATA="+s.data)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("deploy: %v\n%s", err, out)
	}
}

// issue writes a certificate for 127.0.0.1 into dir and returns it.
func issue(t *testing.T, dir string) []byte {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "own.crt"), cert, 0o600),
		os.WriteFile(filepath.Join(dir, "own.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600)); err != nil {
		t.Fatal(err)
	}
	return cert
}
