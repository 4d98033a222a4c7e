package awslambda

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"teal"
)

// The account's concurrency, as AWS has it for a new account's quota, and what
// must stay for functions without a reservation.
const (
	accountConcurrency = 1000
	unreservedAtLeast  = 100
)

type reservedInput struct{ ReservedConcurrentExecutions *int }

func (h *Handler) putConcurrency(q *request) (any, error) {
	var in reservedInput
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	t, ref, err := h.unqualifiedOf(q, required("reservedConcurrentExecutions", in.ReservedConcurrentExecutions, 0))
	if err != nil {
		return nil, or404(err, h.noFunction(target{t.name, teal.DraftName}))
	}
	if strings.HasSuffix(q.params["FunctionName"], ":"+teal.DraftName) {
		return nil, onlyFunctions()
	}
	others, err := h.reservedByOthers(q, ref)
	if err != nil {
		return nil, err
	}
	if others+*in.ReservedConcurrentExecutions > accountConcurrency-unreservedAtLeast {
		return nil, invalidf("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", unreservedAtLeast).withoutType()
	}
	x, err := h.cfg.Backend.ChangeExtras(q.ctx, ref, func(x *Extras) error {
		for _, p := range x.Provisioned {
			if p.Requested > *in.ReservedConcurrentExecutions {
				return invalidf(" ReservedConcurrentExecutions  %d should not be lower than function's total provisioned concurrency [%d].", *in.ReservedConcurrentExecutions, p.Requested).withoutType()
			}
		}
		x.Reserved = in.ReservedConcurrentExecutions
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ConcurrencyView{*x.Reserved}, nil
}

func (h *Handler) reservedByOthers(q *request, ref Ref) (int, error) {
	names, err := h.cfg.Backend.Names(q.ctx)
	if err != nil {
		return 0, err
	}
	sum := 0
	for _, n := range names {
		x, err := h.cfg.Backend.Extras(q.ctx, n.Ref)
		if err != nil {
			return 0, err
		}
		if n.Ref != ref && x.Reserved != nil {
			sum += *x.Reserved
		}
	}
	return sum, nil
}

// ReservedView is the shape GetFunctionConcurrencyResponse.
type ReservedView struct {
	ReservedConcurrentExecutions *int `json:",omitempty"`
}

func (h *Handler) getConcurrency(q *request) (any, error) {
	_, ref, err := h.unqualified(q)
	if err != nil {
		return nil, err
	}
	x, err := h.cfg.Backend.Extras(q.ctx, ref)
	return ReservedView{x.Reserved}, err
}

func (h *Handler) deleteConcurrency(q *request) (any, error) {
	_, ref, err := h.unqualified(q)
	if err != nil {
		return nil, err
	}
	_, err = h.cfg.Backend.ChangeExtras(q.ctx, ref, func(x *Extras) error { x.Reserved = nil; return nil })
	return nil, err
}

// ProvisionedView is the shape GetProvisionedConcurrencyConfigResponse.
type ProvisionedView struct {
	RequestedProvisionedConcurrentExecutions int
	AvailableProvisionedConcurrentExecutions int
	AllocatedProvisionedConcurrentExecutions int
	Status                                   string
	StatusReason                             string `json:",omitempty"`
	LastModified                             string
}

// ProvisionedItem is the shape ProvisionedConcurrencyConfigListItem.
type ProvisionedItem struct {
	FunctionArn string
	ProvisionedView
}

// required returns what is wrong with a number that has to be there.
func required(member string, n *int, least int) violations {
	var v violations
	if n == nil {
		v.add(nil, member, "Member must not be null")
	}
	checkRange(&v, member, n, least, math.MaxInt)
	return v
}

// provisioned returns what a request about provisioned concurrency is about: a
// version or an alias.
func (h *Handler) provisioned(q *request, further violations) (target, Ref, error) {
	t, err := h.targetOf(q, provisionedQualifier, further)
	if err != nil {
		return t, Ref{}, err
	}
	if t.qualifier == "" || t.qualifier == teal.DraftName {
		if q.http.Method == put {
			return t, Ref{}, invalidf("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
		}
		return t, Ref{}, invalidf("The function resource provided must be an alias or a published version.")
	}
	ref, _, err := h.content(q.ctx, t)
	return t, ref, or404(err, h.noAlias(t))
}

type provisionedInput struct{ ProvisionedConcurrentExecutions *int }

func (h *Handler) putProvisioned(q *request) (any, error) {
	var in provisionedInput
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	t, ref, err := h.provisioned(q, required("provisionedConcurrentExecutions", in.ProvisionedConcurrentExecutions, 1))
	switch {
	case err != nil:
		return nil, err
	case *in.ProvisionedConcurrentExecutions > accountConcurrency:
		return nil, invalidf("Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [%d].", accountConcurrency).withoutType()
	case *in.ProvisionedConcurrentExecutions > accountConcurrency-unreservedAtLeast:
		return nil, invalidf("Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", unreservedAtLeast).withoutType()
	case *in.ProvisionedConcurrentExecutions > maxInstances:
		return nil, unavailablef("ProvisionedConcurrentExecutions %d: at most %d instances of a version stand ready on one machine.", *in.ProvisionedConcurrentExecutions, maxInstances)
	}
	if err := h.checkProvisioned(q, t, ref); err != nil {
		return nil, err
	}
	wanted := Provisioned{Requested: *in.ProvisionedConcurrentExecutions, ModifiedAt: h.cfg.Now()}
	_, err = h.cfg.Backend.ChangeExtras(q.ctx, ref, func(x *Extras) error {
		if x.Reserved != nil && *x.Reserved < wanted.Requested {
			return invalidf("Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function")
		}
		put := maps.Clone(x.Provisioned)
		if put == nil {
			put = map[string]Provisioned{}
		}
		put[t.qualifier] = wanted
		x.Provisioned = put
		return nil
	})
	if err != nil {
		return nil, err
	}
	return pending(wanted), nil
}

// checkProvisioned refuses an alias with weights, and a version that an alias of
// the same function provisions already.
func (h *Handler) checkProvisioned(q *request, t target, ref Ref) error {
	aliases, err := h.cfg.Backend.Aliases(q.ctx, ref)
	if err != nil {
		return err
	}
	x, err := h.cfg.Backend.Extras(q.ctx, ref)
	if err != nil {
		return err
	}
	version, isVersion := versionOfQualifier(t.qualifier)
	for _, a := range aliases {
		if a.Name == t.qualifier && len(a.Targets) > 1 {
			return invalidf("Provisioned Concurrency cannot be allocated on an alias that points to more than one version.")
		}
		if _, has := x.Provisioned[a.Name]; has && isVersion && a.Primary() == version {
			return faultf(codeConflict, "Version is pointed by a Provisioned Concurrency alias")
		}
		if _, has := x.Provisioned[a.Primary().String()]; has && a.Name == t.qualifier {
			return faultf(codeConflict, "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
		}
	}
	return nil
}

// pending is what AWS answers to who asks for instances, however many are ready.
func pending(p Provisioned) ProvisionedView {
	return ProvisionedView{RequestedProvisionedConcurrentExecutions: p.Requested, Status: "IN_PROGRESS", LastModified: p.ModifiedAt.UTC().Format(timeFormat)}
}

func (h *Handler) viewProvisioned(q *request, ref Ref, qualifier string, p Provisioned) (ProvisionedView, error) {
	ready, err := h.cfg.Backend.Warm(q.ctx, ref, qualifier)
	ready = min(ready, p.Requested)
	view := pending(p)
	view.AvailableProvisionedConcurrentExecutions, view.AllocatedProvisionedConcurrentExecutions = ready, ready
	if ready == p.Requested {
		view.Status = "READY"
	}
	return view, err
}

func (h *Handler) getProvisioned(q *request) (any, error) {
	t, ref, err := h.provisioned(q, nil)
	if err != nil {
		return nil, err
	}
	x, err := h.cfg.Backend.Extras(q.ctx, ref)
	if err != nil {
		return nil, err
	}
	p, ok := x.Provisioned[t.qualifier]
	if !ok {
		return nil, faultf(codeNoProvisioned, "No Provisioned Concurrency Config found for this function")
	}
	return h.viewProvisioned(q, ref, t.qualifier, p)
}

func (h *Handler) deleteProvisioned(q *request) (any, error) {
	t, ref, err := h.provisioned(q, nil)
	if err != nil {
		return nil, err
	}
	_, err = h.cfg.Backend.ChangeExtras(q.ctx, ref, func(x *Extras) error {
		left := maps.Clone(x.Provisioned)
		delete(left, t.qualifier)
		x.Provisioned = left
		return nil
	})
	return nil, err
}

// ListProvisionedOutput is the shape ListProvisionedConcurrencyConfigsResponse.
type ListProvisionedOutput struct {
	ProvisionedConcurrencyConfigs []ProvisionedItem
	NextMarker                    string `json:",omitempty"`
}

func (h *Handler) listProvisioned(q *request) (any, error) {
	t, ref, err := h.unqualified(q)
	if err != nil {
		return nil, err
	}
	x, err := h.cfg.Backend.Extras(q.ctx, ref)
	if err != nil {
		return nil, err
	}
	out := ListProvisionedOutput{ProvisionedConcurrencyConfigs: []ProvisionedItem{}}
	keys, next, err := page(q, "provisioned concurrency of "+t.name, slices.Sorted(maps.Keys(x.Provisioned)), func(k string) string { return k })
	out.NextMarker = next
	for _, qualifier := range keys {
		view, err := h.viewProvisioned(q, ref, qualifier, x.Provisioned[qualifier])
		if err != nil {
			return nil, err
		}
		out.ProvisionedConcurrencyConfigs = append(out.ProvisionedConcurrencyConfigs, ProvisionedItem{h.cfg.Place.arn(t.name, qualifier), view})
	}
	return out, err
}

// RecursionConfig is the shape GetFunctionRecursionConfigResponse.
type RecursionConfig struct{ RecursiveLoop string }

func (h *Handler) putRecursion(q *request) (any, error) {
	var in RecursionConfig
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	_, ref, err := h.unqualified(q)
	if err != nil {
		return nil, err
	}
	if in.RecursiveLoop != "Allow" && in.RecursiveLoop != "Terminate" {
		return nil, invalid(in.RecursiveLoop, "recursiveLoop", "Member must satisfy enum value set: [Terminate, Allow]")
	}
	_, err = h.cfg.Backend.ChangeExtras(q.ctx, ref, func(x *Extras) error { x.Recursion = in.RecursiveLoop; return nil })
	return in, err
}

func (h *Handler) getRecursion(q *request) (any, error) {
	_, ref, err := h.unqualified(q)
	if err != nil {
		return nil, err
	}
	x, err := h.cfg.Backend.Extras(q.ctx, ref)
	return RecursionConfig{or(x.Recursion, "Terminate")}, err
}

// RuntimeManagementView is the shape GetRuntimeManagementConfigResponse.
type RuntimeManagementView struct {
	RuntimeManagement
	FunctionArn string
}

func (h *Handler) putRuntimeManagement(q *request) (any, error) {
	var in RuntimeManagement
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	t, err := h.target(q)
	if err != nil {
		return nil, err
	}
	ref, _, err := h.content(q.ctx, t)
	switch {
	case err != nil:
		return nil, err
	case !slices.Contains([]string{"Auto", "Manual", "FunctionUpdate"}, in.UpdateRuntimeOn):
		return nil, invalid(in.UpdateRuntimeOn, "updateRuntimeOn", "Member must satisfy enum value set: [Auto, Manual, FunctionUpdate]")
	case (in.UpdateRuntimeOn == "Manual") != (in.RuntimeVersionArn != ""):
		return nil, invalidf("A RuntimeVersionArn is needed with Manual, and with nothing else.")
	case in.UpdateRuntimeOn == "Manual":
		return nil, unavailablef("UpdateRuntimeOn Manual: a runtime is the interpreter of the machine, of which there is one version.")
	}
	_, err = h.cfg.Backend.ChangeExtras(q.ctx, ref, func(x *Extras) error {
		put := maps.Clone(x.Runtime)
		if put == nil {
			put = map[string]RuntimeManagement{}
		}
		put[or(t.qualifier, teal.DraftName)] = in
		x.Runtime = put
		return nil
	})
	return RuntimeManagementView{in, h.cfg.Place.arn(t.name, t.qualifier)}, err
}

func (h *Handler) getRuntimeManagement(q *request) (any, error) {
	t, err := h.target(q)
	if err != nil {
		return nil, err
	}
	ref, _, err := h.content(q.ctx, t)
	if err != nil {
		return nil, err
	}
	x, err := h.cfg.Backend.Extras(q.ctx, ref)
	config, ok := x.Runtime[or(t.qualifier, teal.DraftName)]
	if !ok {
		config.UpdateRuntimeOn = "Auto"
	}
	return RuntimeManagementView{config, h.cfg.Place.arn(t.name, t.qualifier)}, err
}

// epoch returns a time as the service's JSON has it in a few places: seconds.
func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
