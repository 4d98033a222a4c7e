//go:build linux

package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/client"
)

// lab is what is measured and what measures it.
type lab struct {
	options
	self, dir string
	cert, key string
	backend   string // address
	stdin     io.Closer
	feeder    *exec.Cmd
	proxies   []*proxy       // Teal is the first
	reserved  []func() error // releases the ports of the others
	missing   []string       // what is not measured, and why
	h2load    string         // "" when it is not installed
	client    *client.Client
	most      float64 // requests per second that nginx, or Teal without it, made with 64 connections
}

func openLab(ctx context.Context, o options) (*lab, error) {
	dir, err := os.MkdirTemp("", "teal-bench-gateway-")
	if err != nil {
		return nil, err
	}
	l := &lab{options: o, dir: dir, cert: filepath.Join(dir, "own.crt"), key: filepath.Join(dir, "own.key")}
	if l.teal, err = filepath.Abs(o.teal); err != nil {
		return nil, errors.Join(err, l.close())
	}
	if l.self, err = os.Executable(); err != nil {
		return nil, errors.Join(err, l.close())
	}
	if l.h2load, err = lookUp("h2load"); err != nil {
		l.missing = append(l.missing, "TLS and HTTP/2: h2load is not installed (apt-get install nghttp2-client)")
	}
	for _, step := range []func(context.Context) error{l.issue, l.startBackend, l.startProxies} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, l.close())
		}
	}
	return l, nil
}

func (l *lab) close() error {
	if l.client != nil {
		l.client.Close()
	}
	for _, p := range l.proxies {
		p.stop()
	}
	if l.stdin != nil {
		_ = l.stdin.Close()
		_ = l.feeder.Wait()
	}
	for _, release := range l.reserved {
		_ = release()
	}
	return os.RemoveAll(l.dir)
}

// issue writes the certificate that all proxies use.
func (l *lab) issue(context.Context) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"bench.example"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return err
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(l.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(l.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
}

func (l *lab) startBackend(ctx context.Context) error {
	l.feeder = exec.CommandContext(ctx, l.self, roleBackend)
	l.feeder.Stderr = os.Stderr
	stdin, err := l.feeder.StdinPipe()
	if err != nil {
		return err
	}
	out, err := l.feeder.StdoutPipe()
	if err != nil {
		return err
	}
	if err := l.feeder.Start(); err != nil {
		return err
	}
	l.stdin = stdin
	line, err := bufio.NewReader(out).ReadString('\n')
	l.backend = strings.TrimSpace(line)
	return err
}

// manifest is an app of the backend, and a function. The number makes a version.
const manifest = `
app: bench
upstreams: {web: {urls: ["http://%s"], health: {path: /2}}}
functions: {fn: {runtime: provided, code: fn, memory: 256MiB, concurrency: {min: %d, max: %d}}}
routes: [{path: /, to: web}, {path: /fn, to: fn}, {path: /version-%d, to: web}]
release: {watch: {confidence: 0s}, drain: 10s}
`

// startTeal starts a server with two versions of the app, each of which an alias
// keeps running, so that live can go back and forth between them.
func (l *lab) startTeal(ctx context.Context) error {
	data := filepath.Join(l.dir, "data")
	p, err := l.run(&proxy{name: "Teal"}, l.teal, "server", "--data", data, "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0",
		"--https", "127.0.0.1:0", "--tls-cert", l.cert, "--tls-key", l.key, "--limit", "shutdown-grace=2s")
	if err != nil {
		return err
	}
	l.proxies = append(l.proxies, p)
	for file, address := range map[string]*string{"http.addr": &p.plain, "https.addr": &p.secure} {
		if *address, err = awaitFile(ctx, filepath.Join(data, file)); err != nil {
			return fmt.Errorf("teal does not serve: %w\n%s", err, readFile(p.log))
		}
	}
	out, _ := exec.CommandContext(ctx, l.teal, "version").CombinedOutput()
	p.version = strings.TrimSpace(string(out))
	app := filepath.Join(l.dir, "app")
	if err := l.buildFunction(ctx, filepath.Join(app, "fn", "bootstrap")); err != nil {
		return err
	}
	instances := 16
	if l.short {
		instances = 1
	}
	for version := range 2 {
		if err := os.WriteFile(filepath.Join(app, "teal.yaml"), fmt.Appendf(nil, manifest, l.backend, instances, instances, version+1), 0o600); err != nil {
			return err
		}
		deploy := exec.CommandContext(ctx, l.teal, "deploy", app)
		deploy.Env = append(os.Environ(), "TEAL_DATA="+data)
		if out, err := deploy.CombinedOutput(); err != nil {
			return fmt.Errorf("deploy: %w\n%s", err, out)
		}
	}
	if l.client, err = client.New(client.Config{Address: strings.TrimSpace(readFile(filepath.Join(data, "admin.addr"))), Token: strings.TrimSpace(readFile(filepath.Join(data, "admin.token")))}); err != nil {
		return err
	}
	point := func(alias string, version int) error {
		_, err := l.client.SetAlias(ctx, "bench", alias, api.AliasBody{Versions: teal.Only(version)})
		return err
	}
	live := 2
	p.reload = func() error {
		live = 3 - live
		return point(teal.AliasLive, live)
	}
	return errors.Join(point("one", 1), point("two", 2))
}

func (l *lab) buildFunction(ctx context.Context, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-tags", "lambda.norpc", "-o", path, "teal/test/bench/testdata/fn")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the function: %w\n%s", err, out)
	}
	return nil
}

func awaitFile(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if text := strings.TrimSpace(readFile(path)); text != "" {
			return text, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return "", fmt.Errorf("%s does not appear", path)
}

func readFile(path string) string {
	data, _ := os.ReadFile(path)
	return string(data)
}

// fire makes a load in a process of its own.
func (l *lab) fire(ctx context.Context, p plan) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, p.lasting+30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, l.self, p.args()...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return outcome{}, fmt.Errorf("the load on %s: %w", p.address, err)
	}
	var o outcome
	return o, json.Unmarshal(out, &o)
}
