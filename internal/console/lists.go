package console

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"teal"
	"teal/internal/api"
	"teal/internal/client"
	"teal/internal/describe"
)

func historyEntryOf(r api.ReleaseView) historyEntry {
	entry := historyEntry{ReleaseView: r, Reason: describe.Reason(r), Mark: mark{"→", string(r.Phase), "busy"}}
	switch r.Phase {
	case teal.PhaseCompleted:
		entry.Mark = mark{"✓", "completed", "good"}
	case teal.PhaseRolledBack:
		entry.Mark = mark{"↶", "rolled back", "bad"}
	case teal.PhaseAborted:
		entry.Mark = mark{"✗", "aborted", "bad"}
	}
	if r.EndedAt != nil {
		entry.Took = describe.Duration(r.EndedAt.Sub(r.CreatedAt))
	}
	return entry
}

// versionsView are two versions beside each other.
type versionsView struct {
	App      string
	Numbers  []int
	A, B     int
	Changes  []change
	Same     bool
	Versions []api.VersionView
}

// change is a field of a version's content that differs.
type change struct{ Field, A, B string }

// versionsPage shows what differs between two versions: the newest and the live one, when
// nothing else is asked for.
func versionsPage(ctx context.Context, v *viewer, r *http.Request) (page, error) {
	p := page{Title: "Versions of " + r.PathValue("app"), App: r.PathValue("app"), Tab: "versions"}
	versions, err := v.api.Versions(ctx, p.App)
	if err != nil {
		return p, err
	}
	view := versionsView{App: p.App, Versions: versions}
	byNumber := map[int]api.VersionView{}
	for _, version := range versions {
		view.Numbers, byNumber[version.Number] = append(view.Numbers, version.Number), version
	}
	slices.Reverse(view.Versions)
	view.A, _ = strconv.Atoi(r.URL.Query().Get("a"))
	view.B, _ = strconv.Atoi(r.URL.Query().Get("b"))
	if n := len(view.Numbers); n > 0 {
		view.B = cmp.Or(view.B, view.Numbers[n-1])
		view.A = cmp.Or(view.A, view.Numbers[max(0, n-2)])
	}
	a, inA := byNumber[view.A]
	b, inB := byNumber[view.B]
	if len(versions) > 0 && (!inA || !inB) {
		return p, teal.Errorf(teal.CodeUnknownVersion, "%s does not have both v%d and v%d", p.App, view.A, view.B)
	}
	if view.Changes, err = differences(a.Spec, b.Spec); err != nil {
		return p, err
	}
	view.Same = len(view.Changes) == 0
	return p, p.add("versions", "versions", view)
}

// differences returns the fields in which two specs differ, by name.
func differences(a, b api.SpecView) ([]change, error) {
	left, err := fields(a)
	if err != nil {
		return nil, err
	}
	right, err := fields(b)
	if err != nil {
		return nil, err
	}
	names := maps.Clone(left)
	maps.Copy(names, right)
	var changes []change
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if left[name] != right[name] {
			changes = append(changes, change{name, cmp.Or(left[name], "—"), cmp.Or(right[name], "—")})
		}
	}
	return changes, nil
}

// fields flattens a spec: "components.web.service.port" → "8080".
func fields(spec api.SpecView) (map[string]string, error) {
	data, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	flat := map[string]string{}
	flatten(flat, "", tree)
	return flat, nil
}

func flatten(into map[string]string, name string, value any) {
	below := func(key string) string { return strings.TrimPrefix(name+"."+key, ".") }
	switch v := value.(type) {
	case map[string]any:
		for key, value := range v {
			flatten(into, below(key), value)
		}
	case []any:
		for i, value := range v {
			flatten(into, below(strconv.Itoa(i+1)), value)
		}
	case nil:
	default:
		into[name] = fmt.Sprint(v)
	}
}

// auditPageSize is how many orders a page of the audit has.
const auditPageSize = 100

// auditView are orders, newest first.
type auditView struct {
	App, By string
	Apps    []string
	Orders  []orderView
	Older   uint64 // the number before which the next page begins; 0: there is none
}

type orderView struct {
	api.OrderView
	Mark mark
}

// auditPage shows who ordered what.
func auditPage(ctx context.Context, v *viewer, r *http.Request) (page, error) {
	p := page{Title: "Audit", Tab: "audit"}
	query := r.URL.Query()
	before, _ := strconv.ParseUint(query.Get("before"), 10, 64)
	view := auditView{App: query.Get("app"), By: query.Get("by")}
	list, err := v.api.Audit(ctx, client.AuditQuery{App: view.App, By: view.By, Before: before, Limit: auditPageSize})
	if err != nil {
		return p, err
	}
	if len(list) == auditPageSize {
		view.Older = list[0].Seq
	}
	slices.Reverse(list)
	for _, o := range list {
		m := mark{"?", "unknown", "unsure"}
		switch o.Outcome {
		case "done":
			m = mark{"✓", "done", "good"}
		case "refused":
			m = mark{"✗", "refused", "bad"}
		}
		view.Orders = append(view.Orders, orderView{o, m})
	}
	p.Still = before > 0
	return p, p.add("audit", "audit", view)
}
