package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	"teal/internal/api"
	"teal/internal/artifact"
	"teal/internal/client"
	"teal/internal/daemon"
	"teal/internal/manifest"
)

// profile runs a server in this process, because the program itself has no
// profiler, and writes what the runtime says: the heap of the idle server, and
// the CPU while functions are invoked one after the other and 16 at a time.
func profile(ctx context.Context, l *lab, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	data, err := l.folder("data")
	if err != nil {
		return err
	}
	d := daemon.New(daemon.Config{
		Data: data, HTTP: "127.0.0.1:0", Admin: "127.0.0.1:0",
		Guard: []string{l.teal, daemon.GuardArgument}, Logger: slog.New(slog.DiscardHandler),
	})
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	select {
	case <-d.Ready():
		err = profileServer(ctx, l, d, dir, data)
		stop()
		return errors.Join(err, <-ended)
	case err := <-ended:
		stop()
		return err
	}
}

func profileServer(ctx context.Context, l *lab, d *daemon.Daemon, dir, data string) error {
	app, err := l.app(warmManifest, map[string]string{"fn/bootstrap": linkTo + l.fn})
	if err != nil {
		return err
	}
	if err := deployTo(ctx, d, data, app); err != nil {
		return err
	}
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	if err := writeHeap(filepath.Join(dir, "heap-idle.pprof")); err != nil {
		return err
	}
	address := d.HTTPAddr().String()
	for name, what := range map[string]load{
		"cpu-one.pprof":  {address, "/one", 1, 5 * time.Second},
		"cpu-many.pprof": {address, "/many", warmMany, 5 * time.Second},
	} {
		if err := l.profileLoad(ctx, filepath.Join(dir, name), what); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) profileLoad(ctx context.Context, path string, what load) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	c := &contestant{load: what}
	err = l.inTurns(ctx, 1, c)
	pprof.StopCPUProfile()
	if err == nil {
		r := c.latency("", 0)
		fmt.Printf("%s: p50 %s, p99 %s, %.0f/s, profiled\n", path, figure(r.Median, r.Unit), figure(r.P99, r.Unit), c.rates().median())
	}
	return err
}

func writeHeap(path string) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	runtime.GC()
	return pprof.WriteHeapProfile(f)
}

// deployTo deploys a folder and waits until it is live.
func deployTo(ctx context.Context, d *daemon.Daemon, data, dir string) error {
	token := strings.TrimSpace(readFile(filepath.Join(data, "admin.token")))
	c, err := client.New(client.Config{Address: d.AdminAddr().String(), Token: token})
	if err != nil {
		return err
	}
	defer c.Close()
	m, err := manifest.Load(dir, manifest.Variables{})
	if err != nil {
		return err
	}
	digests := map[string]string{}
	for component, code := range m.Code {
		tree, err := artifact.Scan(filepath.Join(m.Dir, code), artifact.Limits{})
		if err != nil {
			return err
		}
		var zip bytes.Buffer
		if err := errors.Join(tree.WriteZip(&zip), c.PutBundle(ctx, tree.Digest, &zip)); err != nil {
			return err
		}
		digests[component] = tree.Digest
	}
	spec, policy, err := m.Resolve(digests)
	if err != nil {
		return err
	}
	if _, err := c.Deploy(ctx, api.DeployBody{Spec: spec, Policy: &policy, Release: true}); err != nil {
		return err
	}
	return poll(ctx, "the app to be live", func() (bool, error) {
		status, err := c.Status(ctx, spec.App)
		return len(status.Aliases) > 0 && status.Release != nil && status.Release.Phase.Ended(), err
	})
}
