package awslambda

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"

	"teal"
	"teal/internal/access"
	"teal/internal/api/sigv4"
)

// Keys knows the access keys of tokens.
type Keys interface {
	// AccessKey returns the secret of a key, and whose it is; false for none.
	AccessKey(id string) (secret string, caller access.Caller, ok bool)
}

// keyOf returns the key that a request names, and whose it is. A key that there is
// not is one that no signature matches.
func (h *Handler) keyOf(r *http.Request) (sigv4.Key, access.Caller) {
	id := sigv4.KeyID(r)
	if id != KeyID && h.cfg.Keys != nil {
		if secret, caller, ok := h.cfg.Keys.AccessKey(id); ok {
			key := h.key
			key.ID, key.Secret = id, secret
			return key, caller
		}
	}
	return h.key, access.Admin()
}

// role returns what an operation asks of a token, and whether it is an order: that
// somebody calls a function is in its log and not in the audit.
func (op *operation) role() (role teal.TokenRole, order bool) {
	switch {
	case strings.HasPrefix(op.name, "Invoke"):
		return teal.RoleDeployer, false
	case op.method == http.MethodGet:
		return teal.RoleViewer, false
	}
	return teal.RoleDeployer, true
}

// permit returns an error if the caller may not do an operation, and otherwise what
// is to be called with what became of it.
func (h *Handler) permit(q *request, op *operation, caller access.Caller) (ended func(error), err error) {
	role, order := op.role()
	app := ""
	if order || len(caller.Apps) > 0 {
		app = h.appOf(q, op)
	}
	entry := access.Entry{By: caller.By("Lambda API"), Role: caller.Role, From: hostOf(q.http), Order: op.name, App: app, Note: q.named()}
	noted := order && h.cfg.Audit != nil
	if err := caller.Permit(role, app); err != nil {
		if noted {
			h.cfg.Audit.Refuse(entry, codeAccessDenied, teal.MessageOf(err))
		}
		return nil, faultf(codeAccessDenied, "%s", teal.MessageOf(err))
	}
	if !noted {
		return func(error) {}, nil
	}
	return h.begin(q, entry), nil
}

// begin notes an order in the audit before it is carried out.
func (h *Handler) begin(q *request, entry access.Entry) (ended func(error)) {
	standing := func() string {
		if h.cfg.Standing == nil {
			return ""
		}
		return h.cfg.Standing(q.ctx, entry.App)
	}
	entry.Before = standing()
	noted := h.cfg.Audit.Begin(entry)
	return func(err error) {
		if err != nil {
			fault, _ := faultOf(err)
			noted.Failed(teal.Code(fault.Code), fault.Message)
		}
		noted.End(err == nil, standing())
	}
}

// named returns what the path and the query of a request name.
func (q *request) named() string {
	var names []string
	for _, name := range []string{q.params["FunctionName"], q.params["Name"], q.query.Get("Qualifier"), q.params["LayerName"], q.params["VersionNumber"], q.params["Resource"]} {
		if name != "" {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

func hostOf(r *http.Request) string {
	host, _, _ := net.SplitHostPort(r.RemoteAddr) // net/http's own has both
	return host
}

// appOf returns the app that a request is about; "" where it names none.
func (h *Handler) appOf(q *request, op *operation) string {
	name := q.params["FunctionName"]
	if op.name == "CreateFunction" {
		var in struct{ FunctionName string }
		_ = json.Unmarshal(q.body, &in) // the operation says what is wrong with it
		name = in.FunctionName
	}
	if name == "" {
		return ""
	}
	t, err := h.cfg.Place.parseFunction(name)
	if err != nil {
		return ""
	}
	ref, err := h.cfg.Backend.Find(q.ctx, t.name)
	if err != nil {
		return t.name // what there is not would become an app of that name
	}
	return ref.App
}
