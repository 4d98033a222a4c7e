package daemon

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teal"
	"teal/internal/client"
	"teal/internal/datadir"
	"teal/internal/gateway/certificate"
	"teal/internal/pinned"
	"teal/internal/process"
)

// pinnedClient returns a client of a server that speaks TLS, which knows its certificate.
func (h *harness) pinnedClient() *client.Client {
	h.t.Helper()
	address, err := os.ReadFile(filepath.Join(h.data, datadir.AdminAddress))
	if err != nil {
		h.t.Fatal(err)
	}
	pin, err := pinned.OfFile(filepath.Join(h.data, datadir.AdminCertificate))
	if err != nil {
		h.t.Fatal(err)
	}
	token, err := os.ReadFile(filepath.Join(h.data, datadir.AdminToken))
	if err != nil {
		h.t.Fatal(err)
	}
	c, err := client.New(client.Config{Address: strings.TrimSpace(string(address)), Token: strings.TrimSpace(string(token)), Fingerprint: &pin})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(c.Close)
	return c
}

func overTLS(cfg *Config) { cfg.AdminTLS = true }

// A server whose admin API speaks TLS keeps its certificate over restarts, refuses to
// speak anything else, and makes a new one where the old one is of no use, which doctor
// says. AWS's tools accept it by a file of authorities. Seen red with a certificate made
// anew at each start, and for Python without its addresses.
func TestTheAdminAPIOverTLS(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	h := startDaemon(t, data, overTLS)
	first := h.pinnedClient()
	if who, err := first.WhoAmI(t.Context()); err != nil || who.Name != "admin" {
		t.Fatalf("%+v %v", who, err)
	}
	if _, err := h.WhoAmI(t.Context()); !teal.IsCode(err, teal.CodeBadAnswer) || !strings.Contains(err.Error(), "speaks TLS") {
		t.Errorf("over plain HTTP: %v", err)
	}
	authority := filepath.Join(data, datadir.AdminCertificate)
	address := first.Address()
	python := process.Command(t.Context(), "python3", "-c", "import ssl,sys,urllib.request; print(urllib.request.urlopen(sys.argv[1]+'/healthz', context=ssl.create_default_context(cafile=sys.argv[2])).status)", address, authority)
	if out, err := python.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "200" {
		t.Errorf("Python: %v %s", err, out)
	}
	before, err := pinned.OfFile(authority)
	if err != nil {
		t.Fatal(err)
	}
	h.stop()

	h = startDaemon(t, data, overTLS)
	if after, err := pinned.OfFile(authority); err != nil || after != before {
		t.Errorf("after a restart: %v %v", after, err)
	}
	h.stop()
	if err := os.WriteFile(authority, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}

	h = startDaemon(t, data, overTLS)
	alerts, err := h.pinnedClient().Alerts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	said := ""
	for _, a := range alerts {
		said += a.Message
	}
	if !strings.Contains(said, "fingerprint") {
		t.Errorf("alerts: %q", said)
	}
}

// Who asks for a name that the gateway has a certificate for gets that, everybody else the
// server's own. Seen red with the server's own for every name.
func TestTheAdminAPIHasTheGatewaysCertificates(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	pair := putCertificate(t, t.TempDir())
	h := startDaemon(t, data, overTLS, func(cfg *Config) {
		cfg.Edge = EdgeConfig{HTTPS: "127.0.0.1:0", Certificates: []certificate.Pair{pair}}
	})
	shown := func(name string) pinned.Fingerprint {
		t.Helper()
		conn, err := tls.Dial("tcp", h.daemon.AdminAddr().String(), &tls.Config{ServerName: name, InsecureSkipVerify: true}) //nolint:gosec // what is shown is compared
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		return pinned.Of(conn.ConnectionState().PeerCertificates[0].Raw)
	}
	for name, file := range map[string]string{"own.example.com": pair.Cert, "other.example.com": filepath.Join(data, datadir.AdminCertificate), "": filepath.Join(data, datadir.AdminCertificate)} {
		if want, err := pinned.OfFile(file); err != nil || shown(name) != want {
			t.Errorf("%q: not the certificate in %s (%v)", name, file, err)
		}
	}
}
