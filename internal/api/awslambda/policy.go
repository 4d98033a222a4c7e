package awslambda

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"teal"
)

// Statement is one statement of a resource policy.
type Statement struct {
	Sid       string
	Effect    string
	Principal json.RawMessage
	Action    string
	Resource  string
	Condition map[string]map[string]string `json:",omitempty"`
}

type permissionInput struct {
	StatementId           string
	Action                string
	Principal             string
	SourceArn             string
	SourceAccount         string
	EventSourceToken      string
	RevisionId            string
	PrincipalOrgID        string
	FunctionUrlAuthType   string
	InvokedViaFunctionUrl *bool
}

var (
	statementRule = newRule(1, 100, `([a-zA-Z0-9-_]+)`)
	actionRule    = newRule(0, 0, `(lambda:[*]|lambda:[a-zA-Z]+|[*])`)
	principalRule = newRule(0, 0, `[^\s]+`)
	rootPattern   = regexp.MustCompile(`^\d{12}$`)
)

// maxPolicy is the size of a policy in bytes.
const maxPolicy = 20480

// mistakes returns which values break the constraints of the model.
func (in permissionInput) mistakes() violations {
	var v violations
	statementRule.check(&v, "statementId", in.StatementId)
	actionRule.check(&v, "action", in.Action)
	principalRule.check(&v, "principal", in.Principal)
	checkEnum(&v, "functionUrlAuthType", in.FunctionUrlAuthType, "NONE", "AWS_IAM")
	return v
}

// statement returns the statement that a request asks for.
func (in permissionInput) statement(resource string) Statement {
	s := Statement{Sid: in.StatementId, Effect: "Allow", Principal: principal(in.Principal), Action: in.Action, Resource: resource}
	condition := func(operator, key, value string) {
		if value == "" {
			return
		}
		if s.Condition == nil {
			s.Condition = map[string]map[string]string{}
		}
		if s.Condition[operator] == nil {
			s.Condition[operator] = map[string]string{}
		}
		s.Condition[operator][key] = value
	}
	condition("StringEquals", "lambda:FunctionUrlAuthType", in.FunctionUrlAuthType)
	condition("StringEquals", "AWS:SourceAccount", in.SourceAccount)
	condition("StringEquals", "lambda:EventSourceToken", in.EventSourceToken)
	condition("StringEquals", "aws:PrincipalOrgID", in.PrincipalOrgID)
	condition("ArnLike", "AWS:SourceArn", in.SourceArn)
	if in.InvokedViaFunctionUrl != nil {
		condition("Bool", "lambda:InvokedViaFunctionUrl", strconv.FormatBool(*in.InvokedViaFunctionUrl))
	}
	return s
}

// principal returns a principal as a policy has it.
func principal(name string) json.RawMessage {
	var v any
	switch {
	case name == "*":
		v = "*"
	case rootPattern.MatchString(name):
		v = map[string]string{"AWS": "arn:aws:iam::" + name + ":root"}
	case strings.HasPrefix(name, "arn:"):
		v = map[string]string{"AWS": name}
	default:
		v = map[string]string{"Service": name}
	}
	data, _ := json.Marshal(v) // strings are always encoded
	return data
}

// hasPrincipal reports whether there can be such a principal: a service's name ends
// in a domain of AWS's.
func (in permissionInput) hasPrincipal() bool {
	name := in.Principal
	return name == "*" || rootPattern.MatchString(name) || strings.HasPrefix(name, "arn:") || strings.HasSuffix(name, ".amazonaws.com") ||
		strings.HasSuffix(name, ".amazonaws.com.cn") || strings.HasSuffix(name, ".amazon.com")
}

// revisionOf returns the revision of what a policy is about: before it has one, that
// is what a client knows.
func (h *Handler) revisionOf(ctx context.Context, t target, ref Ref) (string, error) {
	if _, isVersion := versionOfQualifier(t.qualifier); !isVersion && t.qualifier != "" {
		a, err := h.cfg.Backend.Alias(ctx, ref, t.qualifier)
		return aliasRevision(a), err
	}
	c, err := h.contentOf(ctx, ref, t.qualifier)
	return c.Revision, err
}

func (p Policy) document() string {
	statements := p.Statements
	if statements == nil {
		statements = []Statement{}
	}
	data, _ := json.Marshal(struct {
		Version   string
		Id        string
		Statement []Statement
	}{"2012-10-17", "default", statements}) // strings are always encoded
	return string(data)
}

func (p Policy) revision(arn string) string {
	return RevisionID("policy", arn, strconv.Itoa(p.Revision))
}

// policied returns what a request about a policy is about. The policy of the
// function itself is kept under "".
func (h *Handler) policied(q *request, further violations) (target, Ref, error) {
	t, err := h.targetOf(q, anyQualifier, further)
	if err != nil {
		return t, Ref{}, err
	}
	if t.qualifier == teal.DraftName {
		return t, Ref{}, invalidf("We currently do not support adding policies for $LATEST.")
	}
	ref, _, err := h.content(q.ctx, t)
	return t, ref, err
}

func (h *Handler) addPermission(q *request) (any, error) {
	var in permissionInput
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	t, ref, err := h.policied(q, in.mistakes())
	if err != nil {
		return nil, or404(err, h.noAlias(t))
	}
	if !in.hasPrincipal() {
		return nil, invalidf("The provided principal was invalid. Please check the principal and try again.")
	}
	s := in.statement(h.cfg.Place.arn(t.name, t.qualifier))
	first, err := h.revisionOf(q.ctx, t, ref)
	if err != nil {
		return nil, err
	}
	revision := in.RevisionId
	err = h.changePolicy(q, ref, t, "", func(p *Policy) error {
		stands := p.revision(s.Resource)
		if revision != "" && revision != stands && (p.Revision > 0 || revision != first) {
			return stale("GetPolicy")
		}
		return p.add(s)
	})
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(s)
	return struct{ Statement string }{string(data)}, err
}

func (h *Handler) changePolicy(q *request, ref Ref, t target, revision string, change func(*Policy) error) error {
	_, err := h.cfg.Backend.ChangeExtras(q.ctx, ref, func(x *Extras) error {
		p := x.Policies[t.qualifier]
		if revision != "" && revision != p.revision(h.cfg.Place.arn(t.name, t.qualifier)) {
			return stale("GetPolicy")
		}
		if err := change(&p); err != nil {
			return err
		}
		p.Revision++
		put := maps.Clone(x.Policies)
		if put == nil {
			put = map[string]Policy{}
		}
		put[t.qualifier] = p
		x.Policies = put
		return nil
	})
	return err
}

// PolicyView is the shape GetPolicyResponse.
type PolicyView struct{ Policy, RevisionId string }

func (h *Handler) getPolicy(q *request) (any, error) {
	t, ref, err := h.policied(q, nil)
	if err != nil {
		return nil, or404(err, noResource())
	}
	x, err := h.cfg.Backend.Extras(q.ctx, ref)
	if err != nil {
		return nil, err
	}
	p := x.Policies[t.qualifier]
	if len(p.Statements) == 0 {
		return nil, noResource()
	}
	return PolicyView{p.document(), p.revision(h.cfg.Place.arn(t.name, t.qualifier))}, nil
}

func (h *Handler) removePermission(q *request) (any, error) {
	t, ref, err := h.policied(q, nil)
	if err != nil {
		missing := h.noAlias(t)
		if ref == (Ref{}) && t.qualifier == "" {
			missing = faultf(codeNotFound, "No policy found for: %s", h.cfg.Place.arn(t.name, ""))
		}
		return nil, or404(err, missing)
	}
	sid := q.params["StatementId"]
	return nil, h.changePolicy(q, ref, t, q.query.Get("RevisionId"), func(p *Policy) error {
		if len(p.Statements) == 0 {
			return faultf(codeNotFound, "No policy is associated with the given resource.")
		}
		return p.remove(sid)
	})
}

// add puts a statement into the policy.
func (p *Policy) add(s Statement) error {
	if slices.ContainsFunc(p.Statements, func(have Statement) bool { return have.Sid == s.Sid }) {
		return faultf(codeConflict, "The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", s.Sid)
	}
	p.Statements = append(slices.Clone(p.Statements), s)
	if len(p.document()) > maxPolicy {
		return faultf(codePolicyLength, "The final policy size (%d) is bigger than the limit (%d).", len(p.document()), maxPolicy)
	}
	return nil
}

// remove takes a statement out of the policy.
func (p *Policy) remove(sid string) error {
	before := len(p.Statements)
	p.Statements = slices.DeleteFunc(slices.Clone(p.Statements), func(s Statement) bool { return s.Sid == sid })
	if len(p.Statements) == before {
		return faultf(codeNotFound, "Statement %s is not found in resource policy.", sid)
	}
	return nil
}

// AllowsURL reports whether a policy lets everybody call a function URL of this
// kind, as AWS asks for with the type NONE.
func (p Policy) AllowsURL(authType string) bool {
	return slices.ContainsFunc(p.Statements, func(s Statement) bool {
		kind, conditional := s.Condition["StringEquals"]["lambda:FunctionUrlAuthType"]
		action := s.Action == "lambda:InvokeFunctionUrl" || s.Action == "lambda:*" || s.Action == "*"
		return action && string(s.Principal) == `"*"` && (!conditional || kind == authType)
	})
}
