//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"teal/internal/ports"
)

// proxy is one program that is measured.
type proxy struct {
	name    string
	version string
	cmd     *exec.Cmd
	log     string // its output
	plain   string // addresses
	secure  string
	reload  func() error // what the program calls a switch; nil: it is not measured
}

// names of the proxies, in the order of the tables.
var names = []string{"Teal", "nginx", "HAProxy", "Caddy"}

// startProxies starts what is installed. What is not is said, and left out.
func (l *lab) startProxies(ctx context.Context) error {
	if err := l.startTeal(ctx); err != nil {
		return err
	}
	for _, p := range []struct {
		name, program, version, debian string
		start                          func(program string) (*proxy, error)
	}{
		{"nginx", "nginx", "-v", "nginx-light", l.nginx}, {"HAProxy", "haproxy", "-v", "haproxy", l.haproxy}, {"Caddy", "caddy", "version", "caddy", l.caddy},
	} {
		program, err := lookUp(p.program)
		if err != nil {
			l.missing = append(l.missing, fmt.Sprintf("%s is not installed (apt-get install %s)", p.name, p.debian))
			continue
		}
		started, err := p.start(program)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		out, _ := exec.CommandContext(ctx, program, p.version).CombinedOutput()
		started.name = p.name
		started.version, _, _ = strings.Cut(strings.TrimSpace(string(out)), "\n")
		l.proxies = append(l.proxies, started)
		for _, address := range []string{started.plain, started.secure} {
			if err := await(ctx, address); err != nil {
				return fmt.Errorf("%s does not answer on %s: %w\n%s", p.name, address, err, readFile(started.log))
			}
		}
	}
	return nil
}

// lookUp also looks where Debian puts servers, which is not on every PATH.
func lookUp(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + program)
}

func await(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return c.Close()
		}
		if ctx.Err() != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// reserve returns addresses that nobody else gets as long as the lab lasts.
func (l *lab) reserve(n int) ([]string, error) {
	var addresses []string
	for range n {
		port, release, err := ports.Reserve()
		if err != nil {
			return nil, err
		}
		addresses, l.reserved = append(addresses, fmt.Sprintf("127.0.0.1:%d", port)), append(l.reserved, release)
	}
	return addresses, nil
}

// run starts a proxy's program in a process group of its own.
func (l *lab) run(p *proxy, program string, args ...string) (*proxy, error) {
	p.log = filepath.Join(l.dir, filepath.Base(program)+".log")
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	p.cmd = exec.Command(program, args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+l.dir, "XDG_CONFIG_HOME="+l.dir, "HOME="+l.dir)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return p, errors.Join(p.cmd.Start(), log.Close())
}

func (p *proxy) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	ended := make(chan struct{})
	go func() {
		_ = p.cmd.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	}
}

// file writes a file of the lab's and returns its path.
func (l *lab) file(name, content string) (string, error) {
	path := filepath.Join(l.dir, name)
	return path, os.WriteFile(path, []byte(content), 0o600)
}

// The configurations do what people put in front of a service: keep-alive to the
// backend, forwarding headers, WebSockets, no access log, all processors.

func (l *lab) nginx(program string) (*proxy, error) {
	ports, err := l.reserve(2)
	if err != nil {
		return nil, err
	}
	user := "" // its workers have to get at the files
	if os.Getuid() == 0 {
		user = "user root; "
	}
	config, err := l.file("nginx.conf", fmt.Sprintf(`
%[8]sworker_processes %[1]d; worker_rlimit_nofile 65536; pid %[2]s/nginx.pid; error_log stderr error; daemon off;
events { worker_connections 30000; }
http {
  access_log off; keepalive_requests 100000000; client_max_body_size 100m;
  proxy_max_temp_file_size 0;
  client_body_temp_path %[2]s/nb; proxy_temp_path %[2]s/np; fastcgi_temp_path %[2]s/nf; uwsgi_temp_path %[2]s/nu; scgi_temp_path %[2]s/ns;
  upstream backend { server %[3]s; keepalive 512; keepalive_requests 100000000; }
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  server {
    listen %[4]s reuseport backlog=4096; listen %[5]s ssl http2 reuseport backlog=4096;
    ssl_certificate %[6]s; ssl_certificate_key %[7]s; ssl_protocols TLSv1.2 TLSv1.3; http2_max_concurrent_streams 250;
    location / {
      proxy_pass http://backend; proxy_http_version 1.1; proxy_request_buffering off;
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
    }
  }
}
`, runtime.NumCPU(), l.dir, l.backend, ports[0], ports[1], l.cert, l.key, user))
	if err != nil {
		return nil, err
	}
	p := &proxy{plain: ports[0], secure: ports[1]}
	p.reload = func() error { return p.cmd.Process.Signal(syscall.SIGHUP) }
	return l.run(p, program, "-c", config, "-p", l.dir)
}

func (l *lab) haproxy(program string) (*proxy, error) {
	ports, err := l.reserve(2)
	if err != nil {
		return nil, err
	}
	both := filepath.Join(l.dir, "both.pem")
	if err := os.WriteFile(both, []byte(readFile(l.cert)+readFile(l.key)), 0o600); err != nil {
		return nil, err
	}
	config, err := l.file("haproxy.cfg", fmt.Sprintf(`
global
  maxconn %[6]d
  nbthread %[1]d
  tune.h2.max-concurrent-streams 250
defaults
  mode http
  timeout connect 5s
  timeout client 75s
  timeout server 60s
  timeout tunnel 1h
  option forwardfor
  http-reuse always
frontend in
  bind %[2]s
  bind %[3]s ssl crt %[4]s alpn h2,http/1.1
  http-request set-header X-Forwarded-Proto https if { ssl_fc }
  http-request set-header X-Forwarded-Proto http if !{ ssl_fc }
  default_backend back
backend back
  server one %[5]s maxconn 20000
`, runtime.NumCPU(), ports[0], ports[1], both, l.backend, mostConnections()))
	if err != nil {
		return nil, err
	}
	return l.run(&proxy{plain: ports[0], secure: ports[1]}, program, "-db", "-f", config)
}

func (l *lab) caddy(program string) (*proxy, error) {
	ports, err := l.reserve(2)
	if err != nil {
		return nil, err
	}
	// A site is either with TLS or without, so there are two that say the same.
	config, err := l.file("Caddyfile", fmt.Sprintf(`
{
	admin off
	auto_https off
}
http://:%[1]s {
	bind 127.0.0.1
	reverse_proxy %[5]s
}
https://:%[2]s {
	bind 127.0.0.1
	tls %[3]s %[4]s
	reverse_proxy %[5]s
}
`, port(ports[0]), port(ports[1]), l.cert, l.key, l.backend))
	if err != nil {
		return nil, err
	}
	return l.run(&proxy{plain: ports[0], secure: ports[1]}, program, "run", "--config", config, "--adapter", "caddyfile")
}

// mostConnections returns how many connections HAProxy can be told to take: each
// costs it two descriptors, and it does not start when it has too few.
func mostConnections() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1000
	}
	return min(30_000, int(limit.Max/2)-100)
}

func port(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}
