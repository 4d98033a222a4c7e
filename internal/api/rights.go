package api

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"teal"
	"teal/internal/access"
)

// right is what an operation asks of a token.
type right struct {
	role teal.TokenRole
	// shared says that a token of some apps may do it, too: it is about no app, or its
	// answer holds what those apps have alone.
	shared bool
	// order says that it changes something, and so is noted in the audit.
	order bool
}

var (
	look        = right{role: teal.RoleViewer}
	lookAround  = right{role: teal.RoleViewer, shared: true}
	operate     = right{role: teal.RoleOperator, order: true}
	deploy      = right{role: teal.RoleDeployer, order: true}
	call        = right{role: teal.RoleDeployer} // that somebody calls a function is in its log
	names       = right{role: teal.RoleDeployer} // which secrets there are
	upload      = right{role: teal.RoleDeployer, shared: true}
	administer  = right{role: teal.RoleAdmin, order: true}
	lookAtUsers = right{role: teal.RoleAdmin}
)

// rights says for every operation that needs a token what it asks of it. New panics
// where one is missing.
var rights = map[string]right{
	"list-apps":           lookAround,
	"get-status":          look,
	"list-versions":       look,
	"get-version":         look,
	"list-aliases":        look,
	"list-alias-changes":  look,
	"list-releases":       look,
	"get-release":         look,
	"read-intervals":      look,
	"read-logs":           look,
	"watch-events":        look,
	"watch-all-events":    lookAround,
	"list-alerts":         lookAround,
	"read-audit":          lookAround,
	"who-am-i":            lookAround,
	"create-console-code": lookAround,
	"list-schedules":      look,
	"list-all-schedules":  lookAround,

	"pause":    operate,
	"resume":   operate,
	"approve":  operate,
	"abort":    operate,
	"rollback": operate,

	"freeze-app":   operate,
	"unfreeze-app": operate,
	"stop-app":     operate,
	"start-app":    operate,

	"has-bundle": upload,
	"put-bundle": upload,
	"deploy":     deploy,
	"promote":    deploy,
	"set-alias":  deploy,
	"delete-app": deploy,
	"invoke":     call,

	"list-queues":       look,
	"get-queue":         look,
	"list-dead-letters": look,
	"redrive-queue":     operate,
	"purge-queue":       operate,
	"send-messages":     call,
	"receive-messages":  call,
	"finish-messages":   call,
	"extend-messages":   call,

	"list-secrets":  names,
	"set-secret":    deploy,
	"remove-secret": deploy,

	"set-record-aside": administer,
	"list-tokens":      lookAtUsers,
	"create-token":     administer,
	"revoke-token":     administer,
}

// Permits reports whether a caller may do an operation of the API to an app, "" for none:
// what it may not do need not be offered.
func Permits(caller access.Caller, operation, app string) bool {
	right, known := rights[operation]
	return known && right.allows(caller, app) == nil
}

// guard returns what refuses an operation to who may not do it, before anything of
// its body is read, and has orders noted. nil for an operation that needs no token.
func (s *Server) guard(op huma.Operation) func(huma.Context, func(huma.Context)) {
	if op.Security != nil {
		return nil // its own
	}
	right, ok := rights[op.OperationID]
	if !ok {
		panic("api: rights has no line for " + op.OperationID)
	}
	return func(ctx huma.Context, next func(huma.Context)) {
		caller, app := access.CallerOf(ctx.Context()), appOf(op, ctx)
		noted := right.order && s.cfg.Audit != nil
		entry := access.Entry{By: caller.By(""), Role: caller.Role, From: hostOf(ctx.RemoteAddr()), Order: op.OperationID, App: app, Note: noteOf(op, ctx)}
		if err := right.allows(caller, app); err != nil {
			problem := problemOf(err)
			if noted {
				s.cfg.Audit.Refuse(entry, problem.Code, problem.Detail)
			}
			_, w := humago.Unwrap(ctx)
			s.refuse(w, problem)
			return
		}
		if !noted {
			next(ctx)
			return
		}
		entry.Before = s.standing(ctx.Context(), app)
		order := s.cfg.Audit.Begin(entry)
		next(huma.WithContext(ctx, access.WithOrder(ctx.Context(), order)))
		order.End(ctx.Status() < http.StatusBadRequest, s.standing(ctx.Context(), app))
	}
}

// hostOf returns an address without its port, which tells nothing later.
func hostOf(address string) string {
	if at, err := netip.ParseAddrPort(address); err == nil {
		return at.Addr().Unmap().String()
	}
	return address
}

// by returns the name under which an order is recorded; said is what the client says.
func by(ctx context.Context, said string) string {
	name := access.CallerOf(ctx).By(said)
	access.OrderOf(ctx).By(name)
	return name
}

func (r right) allows(caller access.Caller, app string) error {
	if r.shared && app == "" {
		caller.Apps = nil
	}
	return caller.Permit(r.role, app)
}

// appOf returns the app that a request is about, "" for none. It is not checked
// whether there can be one of that name.
func appOf(op huma.Operation, ctx huma.Context) string {
	if strings.HasPrefix(op.Path, "/v1/releases/{id}") {
		return teal.AppOfRelease(ctx.Param("id"))
	}
	return ctx.Param("app")
}

// noteOf returns what the path says besides the app.
func noteOf(op huma.Operation, ctx huma.Context) string {
	for _, name := range []string{"alias", "key", "name", "queue"} {
		if strings.Contains(op.Path, "{"+name+"}") {
			return ctx.Param(name)
		}
	}
	return ""
}

// permitted refuses a handler that is no operation to who may not do what needs the
// role on the whole server.
func (s *Server) permitted(role teal.TokenRole, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := access.CallerOf(r.Context()).Permit(role, ""); err != nil {
			s.refuse(w, problemOf(err))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// standingPatience bounds how long an order waits for what the audit says around it.
const standingPatience = time.Second

func (s *Server) standing(ctx context.Context, app string) string {
	return Standing(ctx, s.cfg.Control, app)
}

// Standing returns in one line where an app stands, for the audit: which versions live
// has, and the release that runs. "" where that is not known within a second.
func Standing(ctx context.Context, catalog Catalog, app string) string {
	if teal.CheckName("app", app) != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), standingPatience)
	defer cancel()
	status, err := catalog.Status(ctx, app)
	if err != nil {
		return ""
	}
	live := "nothing live"
	if alias, ok := status.Aliases[teal.AliasLive]; ok {
		live = "live " + teal.FormatTargets(alias.Versions)
	}
	if r := status.Release; r != nil && !r.Phase.Ended() {
		return fmt.Sprintf("%s, release %s to %s %s", live, r.ID, teal.VersionName(r.To), r.Phase)
	}
	return live
}
