package awslambda

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"teal"
)

// AliasConfiguration is the shape of that name.
type AliasConfiguration struct {
	AliasArn        string
	Name            string
	FunctionVersion string
	Description     string
	RoutingConfig   *RoutingConfig `json:",omitempty"`
	RevisionId      string
}

// RoutingConfig is the shape AliasRoutingConfiguration.
type RoutingConfig struct {
	AdditionalVersionWeights map[string]float64
}

type aliasInput struct {
	Name            string
	FunctionVersion *string
	Description     *string
	RoutingConfig   *struct {
		AdditionalVersionWeights map[string]float64
	}
	RevisionId string
}

func (h *Handler) describeAlias(t target, a Alias) AliasConfiguration {
	view := AliasConfiguration{
		AliasArn: h.cfg.Place.arn(t.name, a.Name), Name: a.Name, Description: a.Description,
		FunctionVersion: a.Primary().String(), RevisionId: aliasRevision(a),
	}
	if len(a.Targets) == 2 {
		extra := a.Targets[1]
		view.RoutingConfig = &RoutingConfig{map[string]float64{extra.Version.String(): float64(extra.Weight) / float64(teal.All)}}
	}
	return view
}

// aliasRevision returns an alias's revision as AWS has it.
func aliasRevision(a Alias) string {
	return RevisionID("alias", a.App, a.Name, strconv.FormatUint(a.Revision, 10))
}

// RevisionID returns an id of AWS's form that is the same for the same parts and
// another one for others.
func RevisionID(parts ...string) string {
	hash := sha256.New()
	for _, p := range parts {
		_, _ = fmt.Fprintf(hash, "%d:%s,", len(p), p) // a hash never returns an error
	}
	id := uuid.UUID(hash.Sum(nil)[:16])
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // the version and variant of a random one
	return id.String()
}

func (h *Handler) createAlias(q *request) (any, error) {
	var in aliasInput
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	mistakes := in.mistakes()
	aliasName.check(&mistakes, "name", in.Name)
	if in.FunctionVersion == nil {
		mistakes.add(nil, "functionVersion", "Member must not be null")
	}
	t, ref, err := h.unqualifiedOf(q, mistakes)
	if err != nil {
		return nil, h.ofVersion(err, t, in.FunctionVersion)
	}
	targets, err := h.targets(q.ctx, t, ref, in, teal.Alias{Name: in.Name})
	if err != nil {
		return nil, err
	}
	alias := teal.Alias{App: ref.App, Name: in.Name, Targets: targets}
	set(&alias.Description, in.Description)
	arn := h.cfg.Place.arn(t.name, in.Name)
	end, err := h.updates.begin(arn)
	if err != nil {
		return nil, err
	}
	defer end()
	if _, err := h.cfg.Backend.Alias(q.ctx, ref, in.Name); err == nil {
		return nil, faultf(codeConflict, "Alias already exists: %s", arn)
	}
	stored, err := h.cfg.Backend.SetAlias(q.ctx, alias, 0)
	if teal.IsCode(err, teal.CodeExists) {
		return nil, faultf(codeConflict, "Alias already exists: %s", arn)
	}
	if err != nil {
		return nil, err
	}
	return h.describeAlias(t, stored), nil
}

// mistakes returns which values break the constraints of the model.
func (in *aliasInput) mistakes() violations {
	var v violations
	aliasVersion.optional(&v, "functionVersion", in.FunctionVersion)
	descriptionRule.optional(&v, "description", in.Description)
	if in.RoutingConfig == nil {
		return v
	}
	for version, share := range in.RoutingConfig.AdditionalVersionWeights {
		const member = "routingConfig.additionalVersionWeights"
		shown := "{" + version + "=" + formatShare(share) + "}"
		if !digitsPattern.MatchString(version) {
			v.add(shown, member, "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]")
		}
		if math.IsNaN(share) || share < 0 || share >= 1 {
			v.add(shown, member, "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]")
		}
	}
	slices.Sort(v) // a map's keys come in any order
	return v
}

// ofVersion names the version in the answer that there is no such function, as AWS
// does where an alias is to lead to it.
func (h *Handler) ofVersion(err error, t target, version *string) error {
	if version == nil {
		return err
	}
	return or404(err, h.noFunction(target{t.name, *version}))
}

// alias returns the alias that a request's path names.
func (h *Handler) alias(q *request, further violations) (target, Ref, Alias, error) {
	name := q.params["Name"]
	aliasName.check(&further, "name", name)
	t, ref, err := h.unqualifiedOf(q, further)
	if err != nil {
		return t, ref, Alias{}, err
	}
	a, err := h.cfg.Backend.Alias(q.ctx, ref, name)
	if teal.IsCode(err, teal.CodeUnknownAlias) {
		return t, ref, a, h.noAlias(target{t.name, name})
	}
	return t, ref, a, err
}

func (h *Handler) getAlias(q *request) (any, error) {
	t, _, a, err := h.alias(q, nil)
	if err != nil {
		return nil, err
	}
	return h.describeAlias(t, a), nil
}

func (h *Handler) updateAlias(q *request) (any, error) {
	var in aliasInput
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	// The turn to write comes first: what was read before it may be old.
	end, err := h.updates.begin(q.params["FunctionName"] + " " + q.params["Name"])
	if err != nil {
		return nil, err
	}
	defer end()
	t, ref, a, err := h.alias(q, in.mistakes())
	if f := asFault(err); f != nil && f.Code == codeNotFound && ref != (Ref{}) {
		return nil, faultf(codeNotFound, "Alias not found: %s", h.cfg.Place.arn(t.name, q.params["Name"]))
	}
	if err != nil {
		return nil, err
	}
	if in.RevisionId != "" && in.RevisionId != aliasRevision(a) {
		return nil, stale(readFunction)
	}
	next := a.Alias
	if next.Targets, err = h.targets(q.ctx, t, ref, in, a.Alias); err != nil {
		return nil, err
	}
	set(&next.Description, in.Description)
	stored, err := h.cfg.Backend.SetAlias(q.ctx, next, a.Revision)
	if teal.IsCode(err, teal.CodeConflict) && in.RevisionId != "" {
		return nil, stale(readFunction)
	}
	if err != nil {
		return nil, err
	}
	return h.describeAlias(t, stored), nil
}

func (h *Handler) deleteAlias(q *request) (any, error) {
	_, ref, a, err := h.alias(q, nil)
	if fault := asFault(err); fault != nil && fault.Code == codeNotFound && ref != (Ref{}) {
		return nil, nil // as on AWS, deleting what is not there is done
	}
	if err != nil {
		return nil, err
	}
	return nil, h.cfg.Backend.DeleteAlias(q.ctx, ref, a.Name)
}

// ListAliasesOutput is the shape ListAliasesResponse.
type ListAliasesOutput struct {
	NextMarker string `json:",omitempty"`
	Aliases    []AliasConfiguration
}

func (h *Handler) listAliases(q *request) (any, error) {
	var mistakes violations
	version := q.query.Get("FunctionVersion")
	if version != "" {
		aliasVersion.check(&mistakes, "functionVersion", version)
	}
	t, ref, err := h.unqualifiedOf(q, mistakes)
	if err != nil {
		return nil, err
	}
	list, err := h.cfg.Backend.Aliases(q.ctx, ref)
	if err != nil {
		return nil, err
	}
	if of, ok := versionOfQualifier(version); ok {
		leadsThere := func(t teal.Target) bool { return t.Version == of }
		list = slices.DeleteFunc(list, func(a Alias) bool { return !slices.ContainsFunc(a.Targets, leadsThere) })
	}
	out := ListAliasesOutput{Aliases: []AliasConfiguration{}}
	list, out.NextMarker, err = page(q, "aliases of "+t.name, list, func(a Alias) string { return a.Name })
	for _, a := range list {
		out.Aliases = append(out.Aliases, h.describeAlias(t, a))
	}
	return out, err
}

// targets returns what an alias is to point to after a request. What the request
// leaves out stays, as on AWS.
func (h *Handler) targets(ctx context.Context, t target, ref Ref, in aliasInput, now teal.Alias) ([]teal.Target, error) {
	primary := now.Primary()
	if in.FunctionVersion != nil {
		number, _ := versionOfQualifier(*in.FunctionVersion) // $LATEST.PUBLISHED is none that there is
		if err := h.checkVersion(ctx, t, ref, *in.FunctionVersion, number); err != nil {
			return nil, err
		}
		primary = number
	}
	var extra *teal.Target
	if in.RoutingConfig == nil && len(now.Targets) == 2 {
		extra = &now.Targets[1]
	} else if in.RoutingConfig != nil {
		var err error
		if extra, err = h.extra(ctx, t, ref, in.RoutingConfig.AdditionalVersionWeights); err != nil {
			return nil, err
		}
	}
	switch {
	case extra == nil:
		return []teal.Target{{Version: primary, Weight: teal.All}}, nil
	case primary == teal.Draft:
		return nil, invalidf("$LATEST is not supported for an alias pointing to more than 1 version").withoutType()
	case extra.Version == primary:
		return nil, invalidf("Invalid function version %s. Function version %s is already included in routing configuration.", primary, primary)
	}
	return []teal.Target{{Version: primary, Weight: teal.All - extra.Weight}, *extra}, nil
}

// extra reads the additional version and its weight; nil for none.
func (h *Handler) extra(ctx context.Context, t target, ref Ref, weights map[string]float64) (*teal.Target, error) {
	if len(weights) > 1 {
		return nil, invalidf("Number of items in AdditionalVersionWeights cannot be greater than 1")
	}
	var extra *teal.Target
	for version, share := range weights {
		weight, err := parseWeight(share)
		if err != nil {
			return nil, err
		}
		number, _ := versionOfQualifier(version)
		if err := h.checkVersion(ctx, t, ref, version, number); err != nil {
			return nil, err
		}
		extra = &teal.Target{Version: number, Weight: weight}
	}
	return extra, nil
}

// parseWeight reads a share. Teal keeps shares in hundredths of a percent; one that
// cannot be kept exactly is refused, but for the noise of binary fractions.
func parseWeight(share float64) (teal.Weight, error) {
	exact := share * float64(teal.All)
	weight := math.Round(exact)
	if math.Abs(exact-weight) > 1e-6 || weight >= float64(teal.All) {
		return 0, unavailablef("The weight %s has more than four decimals.", formatShare(share))
	}
	return teal.Weight(weight), nil
}

func (h *Handler) checkVersion(ctx context.Context, t target, ref Ref, label string, version teal.VersionRef) error {
	if version == teal.Draft {
		return nil
	}
	number, _ := version.Number()
	_, err := h.cfg.Backend.Version(ctx, ref, number)
	if teal.IsCode(err, teal.CodeUnknownVersion) {
		return faultf(codeNotFound, "Function not found: %s", h.cfg.Place.arn(t.name, label))
	}
	return err
}

// formatShare writes a share as AWS does: always with a fraction.
func formatShare(share float64) string {
	text := strconv.FormatFloat(share, 'g', -1, 64)
	if !strings.ContainsAny(text, ".eNI") {
		text += ".0"
	}
	return text
}
