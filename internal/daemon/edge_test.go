package daemon

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal"
	"teal/internal/datadir"
	"teal/internal/gateway"
	"teal/internal/gateway/accesslog"
	"teal/internal/gateway/certificate"
)

// putCertificate writes a self-signed certificate for 127.0.0.1 and own.example.com.
func putCertificate(t *testing.T, dir string) certificate.Pair {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"own.example.com"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	pair := certificate.Pair{Cert: filepath.Join(dir, "own.crt"), Key: filepath.Join(dir, "own.key")}
	for path, block := range map[string]*pem.Block{pair.Cert: {Type: "CERTIFICATE", Bytes: der}, pair.Key: {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return pair
}

// A server with everything at its edge: TLS, HTTP/2, a log of what clients get,
// limits of the operator's.
func TestTheEdgeOfAServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	access := filepath.Join(dir, "access.log")
	d := New(Config{
		Data: filepath.Join(dir, "data"), HTTP: "127.0.0.1:0", Admin: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Edge: EdgeConfig{HTTPS: "127.0.0.1:0", Certificates: []certificate.Pair{putCertificate(t, dir)}, AccessLog: access, Format: accesslog.Combined, Sample: 1, Limits: gateway.Limits{Streams: 9, ShutdownGrace: time.Second}},
	})
	end := serving(t, d)
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	for url, proto := range map[string]string{"https://" + d.HTTPSAddr().String(): "HTTP/2.0", "http://" + d.HTTPAddr().String(): "HTTP/1.1"} {
		response, err := (&http.Client{Transport: transport}).Get(url + "/nobody")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != 404 || response.Proto != proto || !strings.Contains(string(body), string(teal.CodeNoRoute)) {
			t.Errorf("%s: %s %d %s", url, response.Proto, response.StatusCode, body)
		}
	}
	addr, err := os.ReadFile(filepath.Join(dir, "data", datadir.HTTPSAddress))
	if err != nil || strings.TrimSpace(string(addr)) != d.HTTPSAddr().String() {
		t.Errorf("%s has %q, %v", datadir.HTTPSAddress, addr, err)
	}
	transport.CloseIdleConnections()
	end()
	lines, err := os.ReadFile(access)
	if err != nil || bytes.Count(lines, []byte("\n")) != 2 || !strings.Contains(string(lines), `"GET /nobody HTTP/2.0" 404`) {
		t.Errorf("the access log has %q, %v", lines, err)
	}
}

func TestAnEdgeThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, edge := range map[string]EdgeConfig{
		"certificate": {HTTPS: "127.0.0.1:0", Certificates: []certificate.Pair{{Cert: "/none", Key: "/none"}}},
		"access log":  {AccessLog: "/none/such/file", Limits: gateway.Limits{}},
	} {
		err := New(Config{Data: t.TempDir(), HTTP: "127.0.0.1:0", Admin: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler), Edge: edge}).Run(t.Context())
		if !teal.IsCode(err, teal.CodeInvalidInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
