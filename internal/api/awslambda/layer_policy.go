package awslambda

import (
	"encoding/json"

	"teal"
)

type layerPermissionInput struct {
	StatementId    string
	Action         string
	Principal      string
	OrganizationId string
}

func (in layerPermissionInput) statement(resource string) (Statement, error) {
	var v violations
	statementRule.check(&v, "statementId", in.StatementId)
	if in.Action != layerAction {
		v.add(in.Action, "action", "Member must satisfy regular expression pattern: "+layerAction)
	}
	if !layerPrincipalPattern.MatchString(in.Principal) {
		v.add(in.Principal, "principal", "Member must satisfy regular expression pattern: "+layerPrincipalForm)
	}
	if !organizationPattern.MatchString(in.OrganizationId) {
		v.add(in.OrganizationId, "organizationId", "Member must satisfy regular expression pattern: o-[a-z0-9]{10,32}")
	}
	if err := v.err(); err != nil {
		return Statement{}, err
	}
	if in.OrganizationId != "" && in.Principal != "*" {
		return Statement{}, invalidf("The principal must be * when an organization id is given.")
	}
	return permissionInput{StatementId: in.StatementId, Action: in.Action, Principal: in.Principal, PrincipalOrgID: in.OrganizationId}.statement(resource), nil
}

// LayerPermissionView is the shape AddLayerVersionPermissionResponse.
type LayerPermissionView struct{ Statement, RevisionId string }

func (h *Handler) addLayerPermission(q *request) (any, error) {
	var in layerPermissionInput
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	layer, err := h.policedLayer(q)
	if err != nil {
		return nil, err
	}
	arn := h.cfg.Place.layerVersionARN(layer.Name, layer.Number)
	s, err := in.statement(arn)
	if err != nil {
		return nil, err
	}
	layer, err = h.changeLayerPolicy(q, layer, func(p *Policy) error { return p.add(s) })
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(s)
	return LayerPermissionView{string(data), layer.Policy.revision(arn)}, err
}

// policedLayer is layer for operations on policies, which have their own words for
// one that is not there.
func (h *Handler) policedLayer(q *request) (Layer, error) {
	layer, err := h.layer(q)
	if f := asFault(err); f != nil && f.Code == codeNotFound {
		name, _ := h.cfg.Place.parseLayer(new(violations), q.params["LayerName"]) // or it would not have been looked for
		return layer, faultf(codeNotFound, "Layer version %s:%s does not exist.", h.cfg.Place.layerARN(name), q.params["VersionNumber"])
	}
	return layer, err
}

func (h *Handler) changeLayerPolicy(q *request, layer Layer, change func(*Policy) error) (Layer, error) {
	revision := q.query.Get("RevisionId")
	layer, err := h.cfg.Backend.ChangeLayerPolicy(q.ctx, layer.Name, layer.Number, func(p *Policy) error {
		if revision != "" && revision != p.revision(h.cfg.Place.layerVersionARN(layer.Name, layer.Number)) {
			return stale("GetLayerPolicy")
		}
		if err := change(p); err != nil {
			return err
		}
		p.Revision++
		return nil
	})
	if teal.IsCode(err, teal.CodeNotFound) {
		return layer, faultf(codeNotFound, noLayerVersion) // deleted a moment ago
	}
	return layer, err
}

func (h *Handler) removeLayerPermission(q *request) (any, error) {
	layer, err := h.policedLayer(q)
	if err != nil {
		return nil, err
	}
	_, err = h.changeLayerPolicy(q, layer, func(p *Policy) error { return p.remove(q.params["StatementId"]) })
	return nil, err
}

func (h *Handler) getLayerPolicy(q *request) (any, error) {
	layer, err := h.policedLayer(q)
	if err != nil {
		return nil, err
	}
	if len(layer.Policy.Statements) == 0 {
		return nil, faultf(codeNotFound, "No policy is associated with the given resource.")
	}
	return PolicyView{layer.Policy.document(), layer.Policy.revision(h.cfg.Place.layerVersionARN(layer.Name, layer.Number))}, nil
}
