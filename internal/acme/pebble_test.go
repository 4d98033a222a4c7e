package acme

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"teal/internal/await"
	"teal/internal/gateway"
	"teal/internal/ports"
)

// authority is pebble, Let's Encrypt's ACME server for tests: it asks hosts of a DNS of
// its own, all of which are this machine.
type authority struct {
	t         *testing.T
	directory string
	roots     *x509.CertPool // of its own address
	dir       string
	address   string
	dns       string
	process   *exec.Cmd
	// What of this machine it asks.
	plain, secure net.Listener
}

// newAuthority starts one that issues certificates that live for a time. It and what
// answers its questions end with the test.
func newAuthority(t *testing.T, life time.Duration, blocked ...string) *authority {
	t.Helper()
	for _, program := range []string{"pebble", "pebble-challtestsrv"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed, a certificate authority for tests (Debian: apt-get install pebble)", program)
		}
	}
	a := &authority{t: t, dir: t.TempDir(), address: freeAddress(t), dns: freeAddress(t)}
	a.directory = "https://" + a.address + "/dir"
	a.plain, a.secure = listen(t), listen(t)
	a.writeCertificate()
	config := map[string]any{"pebble": map[string]any{
		"listenAddress": a.address, "managementListenAddress": freeAddress(t),
		"certificate": filepath.Join(a.dir, "cert.pem"), "privateKey": filepath.Join(a.dir, "key.pem"),
		"httpPort": portNumber(a.plain), "tlsPort": portNumber(a.secure), "domainBlocklist": blocked, "certificateValidityPeriod": int(life.Seconds()),
	}}
	data, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(a.dir, "config.json"), data)
	a.run("pebble-challtestsrv", "-dns01", a.dns, "-http01", "", "-https01", "", "-tlsalpn01", "", "-management", freeAddress(t), "-defaultIPv6", "")
	a.start()
	return a
}

// start runs the authority, also again after stop.
func (a *authority) start() {
	a.t.Helper()
	a.process = a.run("pebble", "-config", filepath.Join(a.dir, "config.json"), "-dnsserver", a.dns)
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: a.roots}}}
	await.True(a.t, "pebble to answer", func() bool {
		response, err := client.Get(a.directory)
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

func (a *authority) stop() {
	_ = a.process.Process.Kill()
	_ = a.process.Wait()
}

func (a *authority) run(name string, args ...string) *exec.Cmd {
	a.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1")
	log, err := os.Create(filepath.Join(a.dir, name+".log"))
	if err != nil {
		a.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // a second time for who was stopped
		_ = log.Close()
		if text, err := os.ReadFile(log.Name()); err == nil && a.t.Failed() {
			a.t.Logf("%s: %.20000s", name, text)
		}
	})
	return cmd
}

// writeCertificate makes the certificate of the authority's own address.
func (a *authority) writeCertificate() {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		a.t.Fatal(err)
	}
	text, err := encodeKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	write(a.t, filepath.Join(a.dir, "cert.pem"), cert)
	write(a.t, filepath.Join(a.dir, "key.pem"), []byte(text))
	a.roots = x509.NewCertPool()
	a.roots.AppendCertsFromPEM(cert)
}

// serve answers on both of the listeners as a gateway does, until the test ends. Without
// plain, or secure, that listener answers nonsense.
func (a *authority) serve(m *Manager, plain, secure bool) {
	answers := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, asked := m.Challenge(gateway.NormalHost(r.Host), r.URL.Path)
		if !asked || !plain {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, answer)
	})
	server := &http.Server{Handler: answers, ReadHeaderTimeout: time.Minute}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(a.plain) })
	serving.Go(func() {
		for {
			c, err := a.secure.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				if secure {
					_ = tls.Server(c, &tls.Config{NextProtos: []string{"h2", "http/1.1", "acme-tls/1"}, GetCertificate: m.Certificate}).Handshake()
				}
			})
		}
	})
	a.t.Cleanup(func() {
		_ = server.Close()
		_ = a.secure.Close()
		serving.Wait()
	})
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func portNumber(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// freeAddress returns an address that is kept for whoever the test gives it to.
func freeAddress(t *testing.T) string {
	t.Helper()
	port, release, err := ports.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = release() })
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func testLogger(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }
