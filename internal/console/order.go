package console

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/client"
	"teal/internal/describe"
)

// order is something that a person can have done to an app.
type order struct {
	Name      string // in addresses
	Label     string
	Operation string // of the API, whose rights hold
	Danger    bool
	// When says whether it makes sense now.
	When func(api.Status) bool `json:"-"`
	// Means says what will happen, to whom.
	Means func(api.Status) string `json:"-"`
	Why   bool                    // it takes a reason
	For   bool                    // it takes how long
	// Look stands in for When and Means where the status is not enough to tell; nil
	// elsewhere. Its error says why the order is not possible.
	Look func(ctx context.Context, c *client.Client, s api.Status) (means string, err error) `json:"-"`
	give func(ctx context.Context, c *client.Client, app string, with given) error
}

// given is what a form says about an order.
type given struct {
	why    string
	length *teal.Duration // nil: without an end
}

// orders are all that there are, in the order in which they are shown.
var orders = []order{
	{
		Name: "rollback", Label: "Roll back", Operation: "rollback", Danger: true, Why: true,
		When: mayGoBack,
		Look: meansRollback,
		give: func(ctx context.Context, c *client.Client, app string, with given) error {
			_, err := c.Rollback(ctx, app, api.RollbackBody{Why: with.why})
			return err
		},
	},
	{
		Name: "approve", Label: "Approve", Operation: "approve", Why: true,
		When: func(s api.Status) bool {
			r := active(s)
			return r != nil && r.WaitsSince != nil && describe.AwaitsApproval(*r)
		},
		Means: func(s api.Status) string {
			return fmt.Sprintf("%s may leave %s. What comes next goes on by itself, and is judged on.", s.Release.ID, describe.AtStep(*s.Release))
		},
		give: func(ctx context.Context, c *client.Client, app string, with given) error {
			_, err := c.Approve(ctx, app, api.ApproveBody{Why: with.why})
			return err
		},
	},
	{
		Name: "resume", Label: "Resume", Operation: "resume",
		When:  func(s api.Status) bool { r := active(s); return r != nil && r.Commands.Pause != nil },
		Means: func(s api.Status) string { return fmt.Sprintf("%s goes on from where it was paused.", s.Release.ID) },
		give: func(ctx context.Context, c *client.Client, app string, with given) error {
			_, err := c.Resume(ctx, app, api.OrderBody{Why: with.why})
			return err
		},
	},
	{
		Name: "pause", Label: "Pause", Operation: "pause", Why: true,
		When: func(s api.Status) bool {
			r := active(s)
			return r != nil && r.Commands.Pause == nil && !r.Queued && r.Phase != teal.PhaseRollingBack
		},
		Means: func(s api.Status) string {
			return fmt.Sprintf("%s stays where it is: %s. It is judged on meanwhile, and still goes back by itself when the new version is worse.", s.Release.ID, describe.Live(s))
		},
		give: func(ctx context.Context, c *client.Client, app string, with given) error {
			_, err := c.Pause(ctx, app, api.OrderBody{Why: with.why})
			return err
		},
	},
	{
		Name: "promote", Label: "Promote", Operation: "promote", Danger: true,
		When:  canPromote,
		Means: meansPromote,
		give: func(ctx context.Context, c *client.Client, app string, _ given) error {
			_, err := c.Promote(ctx, app, api.PromoteBody{})
			return err
		},
	},
	{
		Name: "abort", Label: "Abort", Operation: "abort", Danger: true, Why: true,
		When: func(s api.Status) bool { r := active(s); return r != nil && r.Phase != teal.PhaseRollingBack },
		Means: func(s api.Status) string {
			return fmt.Sprintf("%s ends. What of the traffic has moved goes back to %s at once.", s.Release.ID, teal.VersionName(s.Release.From))
		},
		give: func(ctx context.Context, c *client.Client, app string, with given) error {
			_, err := c.Abort(ctx, app, api.AbortBody{Why: with.why})
			return err
		},
	},
	{
		Name: "freeze", Label: "Freeze", Operation: "freeze-app", Why: true, For: true,
		When: func(s api.Status) bool { return s.Frozen == nil },
		Means: func(s api.Status) string {
			return fmt.Sprintf("No release of %s moves traffic on until the freeze ends. Rolling back is possible all the time.", s.App)
		},
		give: func(ctx context.Context, c *client.Client, app string, with given) error {
			_, err := c.Freeze(ctx, app, api.FreezeBody{Why: with.why, For: with.length})
			return err
		},
	},
	{
		Name: "unfreeze", Label: "Unfreeze", Operation: "unfreeze-app", Why: true,
		When:  func(s api.Status) bool { return s.Frozen != nil },
		Means: func(s api.Status) string { return fmt.Sprintf("Releases of %s go on.", s.App) },
		give:  giveApp(teal.OrderUnfreeze),
	},
	{
		Name: "stop", Label: "Stop", Operation: "stop-app", Danger: true, Why: true,
		When: func(s api.Status) bool { return s.Stopped == nil && active(s) == nil && len(s.Aliases) > 0 },
		Means: func(s api.Status) string {
			return fmt.Sprintf("Nothing of %s runs any more, and its routes answer 503, until somebody starts it%s.", s.App, usersText(s, ": %s are turned away"))
		},
		give: giveApp(teal.OrderStop),
	},
	{
		Name: "start", Label: "Start", Operation: "start-app", Why: true,
		When: func(s api.Status) bool { return s.Stopped != nil },
		Means: func(s api.Status) string {
			return fmt.Sprintf("%s of %s starts, and its routes answer when it is healthy.", describe.Live(s), s.App)
		},
		give: giveApp(teal.OrderStart),
	},
}

func giveApp(kind teal.AppOrderKind) func(context.Context, *client.Client, string, given) error {
	return func(ctx context.Context, c *client.Client, app string, with given) error {
		_, err := c.OrderApp(ctx, app, kind, api.OrderBody{Why: with.why})
		return err
	}
}

// active returns the release that runs; nil for none.
func active(s api.Status) *api.ReleaseView {
	if s.Release == nil || s.Release.Phase.Ended() {
		return nil
	}
	return s.Release
}

// mayGoBack reports whether there may be a version to go back to. A release that was
// aborted has moved nothing: only the history knows what was live before.
func mayGoBack(s api.Status) bool {
	r := s.Release
	return r != nil && r.From != 0 && r.Phase != teal.PhaseRolledBack && r.Phase != teal.PhaseRollingBack
}

// goesBackTo returns the version that a rollback leads to, as the API decides it.
func goesBackTo(ctx context.Context, c *client.Client, s api.Status) (int, error) {
	if r := active(s); r != nil && r.From != 0 && r.Phase != teal.PhaseRollingBack {
		return r.From, nil
	} else if r != nil {
		return 0, teal.Errorf(teal.CodeNothingToRollBackTo, "%s is at it, or has nothing to go back to", r.ID)
	}
	views, err := c.Releases(ctx, s.App)
	if err != nil {
		return 0, err
	}
	history := make([]teal.Release, 0, len(views))
	for _, r := range views {
		history = append(history, teal.Release{ID: r.ID, From: r.From, To: r.To, Phase: r.Phase, Back: r.Back})
	}
	target, done, err := teal.RollbackTarget(s.App, teal.Alias{Targets: s.Aliases[teal.AliasLive].Versions}, history, 0)
	if err == nil && done != nil {
		err = teal.Errorf(teal.CodeNothingToRollBackTo, "%s has gone back already, by %s", s.App, done.ID)
	}
	return target, err
}

func meansRollback(ctx context.Context, c *client.Client, s api.Status) (string, error) {
	to, err := goesBackTo(ctx, c, s)
	if err != nil {
		return "", err
	}
	how := fmt.Sprintf("%s is started first, and gets the traffic when it is healthy", teal.VersionName(to))
	for _, env := range s.Environments {
		if env.Version == to && env.State != api.StateFailed && env.State != api.StateStarting {
			how = "at once: it is running"
		}
	}
	return fmt.Sprintf("All traffic goes to %s (%s). Now live: %s%s.", teal.VersionName(to), how, describe.Live(s), usersText(s, ", %s")), nil
}

func canPromote(s api.Status) bool {
	if r := active(s); r != nil {
		return !r.Queued && r.Phase != teal.PhaseRollingBack && r.Phase != teal.PhaseWatching
	}
	preview, live := s.Aliases[teal.AliasPreview], s.Aliases[teal.AliasLive]
	return len(preview.Versions) == 1 && !slices.ContainsFunc(live.Versions, func(t teal.Target) bool { return t.Version == preview.Versions[0].Version }) || len(live.Versions) > 1
}

func meansPromote(s api.Status) string {
	if r := active(s); r != nil {
		return fmt.Sprintf("All traffic goes to %s now, without the steps that are left%s. It goes back by itself when it is worse.", teal.VersionName(r.To), usersText(s, ": %s"))
	}
	return "A release of the preview version begins, by the app's policy."
}

// usersText says how many requests come, in a format; "" where none do.
func usersText(s api.Status, format string) string {
	if s.Traffic == nil || s.Traffic.RequestsPerSecond <= 0 {
		return ""
	}
	return fmt.Sprintf(format, "about "+describe.Rate(s.Traffic.RequestsPerSecond)+" requests per second")
}

// offers reports whether an order makes sense now and the viewer may give it.
func (v *viewer) offers(name string, s api.Status) bool {
	return slices.ContainsFunc(v.ordersFor(s), func(o order) bool { return o.Name == name })
}

func (v *viewer) ordersFor(s api.Status) []order {
	var list []order
	for _, o := range orders {
		if v.may(o.Operation, s.App) && o.When(s) {
			list = append(list, o)
		}
	}
	return list
}

// confirmView asks once more before an order is given.
type confirmView struct {
	App, CSRF, Means string
	Order            order
	Release          string // that was seen; another one by now is not what was meant
	Possible         bool
}

func (c *Console) confirm(w http.ResponseWriter, r *http.Request, v *viewer) {
	app := r.PathValue("app")
	o, status, err := v.findOrder(r.Context(), app, r.PathValue("order"))
	if err != nil {
		c.fail(w, r, v, err)
		return
	}
	view := confirmView{App: app, CSRF: v.session.csrf, Order: o, Release: releaseOf(status)}
	view.Means, view.Possible = v.means(r.Context(), o, status)
	p := page{Title: o.Label + " " + app, App: app, Still: true}
	if err := p.add("confirm", "confirm", view); err != nil {
		c.fail(w, r, v, err)
		return
	}
	c.show(w, r, v, http.StatusOK, p)
}

// means says what an order would do, or why it is not possible.
func (v *viewer) means(ctx context.Context, o order, s api.Status) (text string, possible bool) {
	if o.Look != nil {
		means, err := o.Look(ctx, v.api, s)
		if err != nil {
			return "That is not possible now: " + teal.MessageOf(err) + ".", false
		}
		return means, true
	}
	if !o.When(s) {
		return "That is not possible now: " + o.Label + " makes no sense where " + s.App + " stands.", false
	}
	return o.Means(s), true
}

func (v *viewer) findOrder(ctx context.Context, app, name string) (order, api.Status, error) {
	i := slices.IndexFunc(orders, func(o order) bool { return o.Name == name })
	if i < 0 {
		return order{}, api.Status{}, teal.Errorf(teal.CodeNotFound, "there is no order %q", name)
	}
	if !v.may(orders[i].Operation, app) {
		return order{}, api.Status{}, teal.Errorf(teal.CodeForbidden, "your token, %s, is a %s's and may not %s %s", v.caller.Name, v.caller.Role, name, app)
	}
	status, err := v.api.Status(ctx, app)
	return orders[i], status, err
}

func releaseOf(s api.Status) string {
	if s.Release == nil {
		return ""
	}
	return s.Release.ID
}

// give carries an order out. The API decides whether it may be, and notes it in the audit.
func (c *Console) give(w http.ResponseWriter, r *http.Request, v *viewer) {
	app := r.PathValue("app")
	o, status, err := v.findOrder(r.Context(), app, r.PathValue("order"))
	if err != nil {
		c.fail(w, r, v, err)
		return
	}
	told := notice{Text: o.Label + ": done, and in the audit."}
	with, err := givenBy(r)
	switch {
	case err != nil:
	case r.PostFormValue("release") != releaseOf(status):
		err = teal.Errorf(teal.CodeConflict, "meanwhile there is another release, %s: look at it first", releaseOf(status))
	default:
		err = o.give(r.Context(), v.api, app, with)
	}
	if err != nil {
		told = notice{Text: o.Label + " was not done: " + teal.MessageOf(err), Bad: true}
	}
	v.session.tell(told)
	http.Redirect(w, r, path("apps", app), http.StatusSeeOther)
}

func givenBy(r *http.Request) (given, error) {
	with := given{why: r.PostFormValue("why")}
	if len(with.why) > 1000 {
		return with, teal.Errorf(teal.CodeTooLarge, "the reason is too long: 1000 bytes at most")
	}
	if text := r.PostFormValue("for"); text != "" {
		length, err := teal.ParseDuration(text)
		if err != nil || length <= 0 {
			return with, teal.Errorf(teal.CodeInvalidInput, "%q is not how long; write 2h or 3d, or nothing", text)
		}
		rounded := teal.Duration(length.Round(time.Second))
		with.length = &rounded
	}
	return with, nil
}
