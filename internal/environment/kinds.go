package environment

import (
	"fmt"
	"path/filepath"

	"teal"
	"teal/internal/function"
	"teal/internal/gateway"
	"teal/internal/service"
	"teal/internal/static"
)

// blueprint is what a part is made from.
type blueprint struct {
	name      string
	component teal.Component
	dir       folders
	env       map[string]string
}

// makers make a part of each kind of component. A further kind is an entry here and the
// package that runs it.
var makers = map[teal.ComponentKind]func(*running, blueprint) (part, error){
	teal.KindFunction: (*running).makeFunction,
	teal.KindService:  (*running).makeEndpoints,
	teal.KindUpstream: (*running).makeEndpoints,
	teal.KindStatic:   (*running).makeSite,
}

func (r *running) makePart(b blueprint) (part, error) {
	maker, known := makers[b.component.Kind()]
	if !known {
		return part{}, fmt.Errorf("%s is of no known kind", b.name)
	}
	p, err := maker(r, b)
	p.kind = b.component.Kind()
	return p, err
}

func (r *running) makeFunction(b blueprint) (part, error) {
	app := r.version.App
	pool, err := function.New(function.Config{
		Interpreters: &r.manager.interpreters,
		App:          app, Version: r.ref, Name: b.name, Function: *b.component.Function,
		Dir: b.dir.code, Layers: b.dir.layers, WorkDir: filepath.Join(r.work, b.name), Env: b.env,
		Region: r.manager.cfg.Region, Account: r.manager.cfg.Account,
		Start: r.startProcess, Log: r.functionLog(b.name),
		Logger: r.manager.cfg.Logger, OnChange: r.markDirty, Hide: r.secrets.hide(),
	})
	if err != nil {
		return part{}, fmt.Errorf("function %s: %w", b.name, err)
	}
	var called gateway.Function = pool
	if admit := r.manager.cfg.Admit; admit != nil {
		called = admitted{pool, func() (func(), error) { return admit(app, b.name) }}
	}
	return functionPart(b.name, pool, b.component.Function, called), nil
}

func (r *running) makeEndpoints(b blueprint) (part, error) {
	cfg := service.Config{
		App: r.version.App, Version: r.ref, Name: b.name, Service: b.component.Service, Upstream: b.component.Upstream,
		Dir: b.dir.code, WorkDir: filepath.Join(r.work, b.name), Env: b.env, Start: r.startProcess, Log: r.serviceLog(b.name),
		Logger: r.manager.cfg.Logger, OnChange: r.markDirty,
	}
	set, err := service.New(cfg)
	if err != nil {
		return part{}, fmt.Errorf("%s: %w", b.name, err)
	}
	return endpointPart(b.name, set, cfg.HTTP2(), cfg.Upstream != nil), nil
}

func (r *running) makeSite(b blueprint) (part, error) {
	return sitePart(b.name, static.New(static.Config{
		Name: b.name, Static: *b.component.Static, Dir: b.dir.code, Modified: r.version.CreatedAt,
		Memory: r.manager.files, Logger: r.logger(), OnChange: r.markDirty,
	})), nil
}
