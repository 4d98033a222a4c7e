package awslambda

import (
	"strings"

	"teal"
)

// newFunction is what CreateFunction starts from.
func newFunction() teal.Function {
	return teal.Function{
		Memory: defaultMemory, Timeout: teal.DefaultTimeout, Init: teal.DefaultInit, Idle: teal.DefaultIdle,
		Concurrency: teal.Concurrency{Min: 0, Max: maxInstances}, Payload: teal.DefaultPayload,
	}
}

func (h *Handler) createFunction(q *request) (any, error) {
	var in createFunctionInput
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	t, err := h.checkCreate(q, &in)
	if err != nil {
		return nil, err
	}
	end, err := h.updates.begin(h.cfg.Place.arn(t.name, ""))
	if err != nil {
		return nil, err
	}
	defer end()
	if _, err := h.cfg.Backend.Find(q.ctx, t.name); err == nil {
		return nil, faultf(codeConflict, "Function already exist: %s", t.name)
	}
	defer h.cfg.Backend.Keep()()
	code, err := h.takeCode(q, *in.Code, anyFiles)
	if err != nil {
		return nil, err
	}
	layers, err := h.chooseLayers(q.ctx, in.Layers)
	if err != nil {
		return nil, err
	}
	f := layers.into(code.into(in.apply(newFunction()), in.Architectures))
	if err := h.checkUnpacked(q.ctx, f); err != nil {
		return nil, err
	}
	ref := Ref{App: t.name, Component: t.name}
	c, err := h.cfg.Backend.Create(q.ctx, ref, f)
	if teal.IsCode(err, teal.CodeExists) {
		return nil, faultf(codeConflict, "Function already exist: %s", t.name)
	}
	if err != nil {
		return nil, err
	}
	if len(in.Tags) > 0 {
		if _, err := h.cfg.Backend.ChangeExtras(q.ctx, ref, func(x *Extras) error { x.Tags = in.Tags; return nil }); err != nil {
			return nil, err
		}
	}
	view := h.describe(t.name, "", c)
	if in.Publish {
		published, err := h.publish(q, ref, publishInput{})
		if err != nil {
			return nil, err
		}
		view.Version = published.Version.String() // of a function that is pending, as on AWS
	}
	return view, nil
}

// checkCreate validates a CreateFunction and returns the function's name.
func (h *Handler) checkCreate(q *request, in *createFunctionInput) (target, error) {
	t, err := h.cfg.Place.parse(spelled{name: in.FunctionName, rule: nameRule(q.op), furtherMistakes: in.mistakes()})
	switch {
	case err != nil:
		return t, err
	case len(t.name) > maxShortName: // AWS says so at another place than what else is wrong with a name
		return t, faultf(codeInvalidParameter, "%s", invalid(in.FunctionName, "functionName", "Member must have length less than or equal to 64").Message)
	case t.qualifier != "":
		return t, invalidf("The function name must not have a qualifier here.")
	case in.PackageType != "Image" && in.Runtime == nil:
		return t, invalidf("Runtime is mandatory for functions created with deployment packages.")
	case in.PackageType != "Image" && in.Handler == nil:
		return t, invalidf("Handler is mandatory for functions created with deployment packages.")
	}
	if err := in.unavailable(t); err != nil {
		return t, err
	}
	if err := checkTags(in.Tags); err != nil {
		return t, err
	}
	return t, in.check(true)
}

// mistakes returns which values break the constraints of the model.
func (in *createFunctionInput) mistakes() violations {
	var v violations
	in.configuration.mistakes(&v)
	if in.Role == nil {
		v.add(nil, "role", "Member must not be null")
	}
	if in.Code == nil {
		v.add(nil, "code", "Member must not be null")
	}
	checkArchitectures(&v, in.Architectures)
	return v
}

// unavailable refuses what Teal has not.
func (in *createFunctionInput) unavailable(t target) error {
	switch {
	case t.name[0] == '-':
		return unavailablef("The function name %s: a name that starts with a dash is a flag to commands.", t.name)
	case in.PackageType == "Image":
		return unavailablef("PackageType Image: functions are zips, not images.")
	case in.CodeSigningConfigArn != "":
		return unavailablef("CodeSigningConfigArn: there is no code signing.")
	case present(in.TenancyConfig):
		return unavailablef("TenancyConfig: there are no tenants.")
	case in.PublishTo != "":
		return unavailablef("PublishTo: versions are published under their numbers.")
	}
	return nil
}

func checkArchitectures(v *violations, list []string) {
	switch {
	case len(list) > 1:
		v.add("["+strings.Join(list, ", ")+"]", "architectures", "Member must have length less than or equal to 1")
	case len(list) == 1 && list[0] != "x86_64" && list[0] != "arm64":
		v.add(list, "architectures", "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]")
	}
}
