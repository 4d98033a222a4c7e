package awslambda

import (
	"context"
	"errors"
	"strings"
	"sync"

	"teal"
)

// inProgress lets one update of a function at a time through: AWS refuses the
// second one instead of letting it wait.
type inProgress struct {
	mu   sync.Mutex
	busy map[string]bool
}

// begin returns a function that ends the update, or a conflict.
func (p *inProgress) begin(arn string) (end func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy[arn] {
		return nil, faultf(codeConflict, "The operation cannot be performed at this time. An update is in progress for resource: %s", arn)
	}
	p.busy[arn] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.busy, arn)
	}, nil
}

// find returns the function of that name.
func (h *Handler) find(ctx context.Context, t target) (Ref, error) {
	ref, err := h.cfg.Backend.Find(ctx, t.name)
	if teal.IsCode(err, teal.CodeUnknownApp) {
		return ref, h.noFunction(t)
	}
	return ref, err
}

func (h *Handler) noFunction(t target) error {
	f := faultf(codeNotFound, "Function not found: %s", h.cfg.Place.arn(t.name, t.qualifier))
	f.missing = true
	return f
}

// noAlias is what some operations say in the place of noFunction where the qualifier
// is an alias's.
func (h *Handler) noAlias(t target) error {
	if _, isVersion := versionOfQualifier(t.qualifier); isVersion || t.qualifier == "" || strings.Contains(t.qualifier, "$") {
		return h.noFunction(t)
	}
	return faultf(codeNotFound, "Cannot find alias arn: %s", h.cfg.Place.arn(t.name, t.qualifier))
}

// content returns what a target's qualifier leads to: the draft, a version, or
// the version that an alias belongs to.
func (h *Handler) content(ctx context.Context, t target) (Ref, Content, error) {
	ref, err := h.find(ctx, t)
	if err != nil {
		return ref, Content{}, err
	}
	c, err := h.contentOf(ctx, ref, t.qualifier)
	if code := teal.CodeOf(err); code.Kind() == teal.KindNotFound && code != "" {
		return ref, c, h.noFunction(t)
	}
	return ref, c, err
}

func (h *Handler) contentOf(ctx context.Context, ref Ref, qualifier string) (Content, error) {
	if qualifier == "" || qualifier == teal.DraftName {
		return h.cfg.Backend.Draft(ctx, ref)
	}
	version, isVersion := versionOfQualifier(qualifier)
	if !isVersion {
		alias, err := h.cfg.Backend.Alias(ctx, ref, qualifier)
		if err != nil {
			return Content{}, err
		}
		version = alias.Primary()
	}
	if version == teal.Draft {
		return h.cfg.Backend.Draft(ctx, ref)
	}
	number, _ := version.Number()
	return h.cfg.Backend.Version(ctx, ref, number)
}

// into returns f with this code.
func (c stored) into(f teal.Function, architectures []string) teal.Function {
	s := settingsOf(f)
	s.CodeSha256, s.CodeSize = c.sha, c.size
	if len(architectures) > 0 {
		s.Architectures = architectures
	}
	f.Code = c.digest
	return s.with(f)
}

// GetFunctionOutput is the shape GetFunctionResponse.
type GetFunctionOutput struct {
	Configuration FunctionConfiguration
	Code          CodeLocation
	Tags          map[string]string `json:",omitempty"`
	Concurrency   *ConcurrencyView  `json:",omitempty"`
}

// ConcurrencyView is the shape Concurrency.
type ConcurrencyView struct{ ReservedConcurrentExecutions int }

func (h *Handler) getFunction(q *request) (any, error) {
	t, err := h.target(q)
	if err != nil {
		return nil, err
	}
	ref, c, err := h.content(q.ctx, t)
	if err != nil {
		return nil, err
	}
	extras, err := h.cfg.Backend.Extras(q.ctx, ref)
	if err != nil {
		return nil, err
	}
	out := GetFunctionOutput{Configuration: h.describe(t.name, t.qualifier, c), Code: h.codeLocation(q, c.Function), Tags: extras.Tags}
	if extras.Reserved != nil {
		out.Concurrency = &ConcurrencyView{*extras.Reserved}
	}
	return out, nil
}

func (h *Handler) getFunctionConfiguration(q *request) (any, error) {
	t, err := h.target(q)
	if err != nil {
		return nil, err
	}
	_, c, err := h.content(q.ctx, t)
	if err != nil {
		return nil, err
	}
	return h.describe(t.name, t.qualifier, c), nil
}

// unqualified returns the function that a request is about, for operations that
// are about the draft alone.
func (h *Handler) unqualified(q *request) (target, Ref, error) {
	return h.unqualifiedOf(q, nil)
}

// unqualifiedOf is unqualified of a request with whose other values something is
// wrong already.
func (h *Handler) unqualifiedOf(q *request, further violations) (target, Ref, error) {
	t, err := h.cfg.Place.parse(spelled{name: q.params["FunctionName"], rule: nameRule(q.op), furtherMistakes: further})
	if err != nil {
		return t, Ref{}, err
	}
	if t.qualifier != "" && t.qualifier != teal.DraftName {
		return t, Ref{}, onlyFunctions()
	}
	t.qualifier = ""
	ref, err := h.find(q.ctx, t)
	return t, ref, err
}

func onlyFunctions() error {
	return invalidf("This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.")
}

func (h *Handler) updateFunctionCode(q *request) (any, error) {
	var in updateCodeInput
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	var mistakes violations
	checkArchitectures(&mistakes, in.Architectures)
	t, ref, err := h.unqualifiedOf(q, mistakes)
	if err != nil {
		return nil, err
	}
	if in.PublishTo != "" {
		return nil, unavailablef("PublishTo: versions are published under their numbers.")
	}
	end, err := h.updates.begin(h.cfg.Place.arn(t.name, ""))
	if err != nil {
		return nil, err
	}
	defer end()
	defer h.cfg.Backend.Keep()()
	code, err := h.takeCode(q, in.codeInput, anyFiles)
	if err != nil {
		return nil, err
	}
	change := func(now Content) (teal.Function, error) {
		if err := h.changeable(t, now, in.RevisionId); err != nil {
			return now.Function, err
		}
		f := code.into(now.Function, in.Architectures)
		return f, h.checkUnpacked(q.ctx, f)
	}
	if in.DryRun {
		return h.tryChange(q, t, ref, change)
	}
	c, err := h.cfg.Backend.Change(q.ctx, ref, change)
	if err != nil {
		return nil, err
	}
	if in.Publish {
		published, err := h.publish(q, ref, publishInput{})
		if err != nil {
			return nil, err
		}
		return h.describe(t.name, published.Version.String(), published), nil
	}
	return h.describe(t.name, "", c), nil
}

// changeable refuses a change of a draft that is still being changed, or that is not
// at the revision which the change is meant for; "" is any.
func (h *Handler) changeable(t target, now Content, revision string) error {
	const notNow = "The operation cannot be performed at this time. "
	switch {
	case now.Change == Creating:
		return faultf(codeConflict, notNow+"The function is currently in the following state: Pending")
	case now.Change == Updating:
		return faultf(codeConflict, notNow+"An update is in progress for resource: %s", h.cfg.Place.arn(t.name, ""))
	case revision != "" && revision != now.Revision:
		return stale(readFunction)
	}
	return nil
}

// tryChange says what a change would lead to.
func (h *Handler) tryChange(q *request, t target, ref Ref, change func(Content) (teal.Function, error)) (any, error) {
	c, err := h.cfg.Backend.Draft(q.ctx, ref)
	if err != nil {
		return nil, err
	}
	if c.Function, err = change(c); err != nil {
		return nil, err
	}
	return h.describe(t.name, "", c), nil
}

func (h *Handler) updateFunctionConfiguration(q *request) (any, error) {
	var in updateConfigurationInput
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	var mistakes violations
	in.mistakes(&mistakes)
	t, ref, err := h.unqualifiedOf(q, mistakes)
	if err != nil {
		return nil, err
	}
	if err := in.check(false); err != nil {
		return nil, err
	}
	end, err := h.updates.begin(h.cfg.Place.arn(t.name, ""))
	if err != nil {
		return nil, err
	}
	defer end()
	defer h.cfg.Backend.Keep()()
	layers, err := h.chooseLayers(q.ctx, in.Layers)
	if err != nil {
		return nil, err
	}
	c, err := h.cfg.Backend.Change(q.ctx, ref, func(now Content) (teal.Function, error) {
		if err := h.changeable(t, now, in.RevisionId); err != nil {
			return now.Function, err
		}
		f := layers.into(in.apply(now.Function))
		return f, h.checkUnpacked(q.ctx, f)
	})
	if err != nil {
		return nil, err
	}
	return h.describe(t.name, "", c), nil
}

func (h *Handler) deleteFunction(q *request) (any, error) {
	t, err := h.target(q)
	if err != nil {
		return nil, err
	}
	version, isVersion := versionOfQualifier(t.qualifier)
	switch {
	case version == teal.Draft && isVersion:
		return nil, invalidf("$LATEST version cannot be deleted without deleting the function.")
	case t.qualifier != "" && !isVersion && !strings.Contains(t.qualifier, "$"):
		return nil, invalidf("Deletion of aliases is not currently supported.")
	}
	ref, err := h.find(q.ctx, target{name: t.name})
	if err != nil {
		return nil, err
	}
	end, err := h.updates.begin(h.cfg.Place.arn(t.name, ""))
	if err != nil {
		return nil, err
	}
	defer end()
	switch {
	case t.qualifier == "":
		return nil, h.cfg.Backend.Delete(q.ctx, ref)
	case !isVersion:
		return nil, h.noFunction(t)
	}
	number, _ := version.Number()
	err = h.cfg.Backend.DeleteVersion(q.ctx, ref, number)
	if teal.IsCode(err, teal.CodeUnknownVersion) {
		return nil, nil // as on AWS, deleting a version that is not there is done
	}
	return nil, err
}

// ListFunctionsOutput is the shape ListFunctionsResponse.
type ListFunctionsOutput struct {
	NextMarker string `json:",omitempty"`
	Functions  []FunctionConfiguration
}

func (h *Handler) listFunctions(q *request) (any, error) {
	all := q.query.Get("FunctionVersion")
	if all != "" && all != "ALL" {
		return nil, invalid(all, "functionVersion", "Member must satisfy enum value set: [ALL]")
	}
	items, err := h.cfg.Backend.List(q.ctx, all != "")
	if err != nil {
		return nil, err
	}
	out := ListFunctionsOutput{Functions: []FunctionConfiguration{}}
	list := "functions"
	if all != "" {
		list = "versions of all functions"
	}
	items, out.NextMarker, err = page(q, list, items, Item.key)
	for _, item := range items {
		c, ok := h.cfg.Backend.Listed(item)
		if !ok {
			continue // deleted a moment ago
		}
		qualifier := ""
		if all != "" {
			qualifier = item.Version.String()
		}
		out.Functions = append(out.Functions, h.listed(item.Name.Name, qualifier, c))
	}
	return out, err
}

// versionOf is one version of one function.
type versionOf struct {
	name string
	Content
}

// order sorts the draft before the versions, as AWS does.
func (v versionOf) order() string { return numberKey(Item{Version: v.Version}.Order()) }

// versionsOf returns a function's draft and its versions; nothing when it was
// deleted a moment ago.
func (h *Handler) versionsOf(ctx context.Context, n Name) ([]versionOf, error) {
	draft, err := h.cfg.Backend.Draft(ctx, n.Ref)
	if teal.IsCode(err, teal.CodeUnknownApp) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	versions, err := h.cfg.Backend.Versions(ctx, n.Ref)
	if err != nil {
		return nil, err
	}
	list := []versionOf{{n.Name, draft}}
	for _, c := range versions {
		list = append(list, versionOf{n.Name, c})
	}
	return list, nil
}

// asFault returns the fault in err, or nil.
func asFault(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return nil
}
