package api

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"teal"
	"teal/internal/access"
	"teal/internal/cron"
)

// InApp is the part of an input that names an app. Like every embedded part of
// an input it is exported because huma looks at exported fields alone.
type InApp struct {
	App string `path:"app" doc:"Name of the app"`
}

// validate keeps names that no app can have away from the store.
func (in InApp) validate() error {
	if teal.CheckName("app", in.App) != nil {
		return teal.Errorf(teal.CodeUnknownApp, "there is no app %q", in.App)
	}
	return nil
}

// body is an output that is one JSON document.
type body[T any] struct{ Body T }

func (s *Server) registerApps() {
	register(s, huma.Operation{
		OperationID: "list-apps", Method: http.MethodGet, Path: "/v1/apps",
		Summary: "All apps with their status, by name", Tags: []string{"apps"},
	}, s.apps)
	register(s, huma.Operation{
		OperationID: "get-status", Method: http.MethodGet, Path: "/v1/apps/{app}",
		Summary: "Who is live, at what weight, what runs and what the release is doing", Tags: []string{"apps"},
	}, func(ctx context.Context, in *InApp) (*body[Status], error) {
		status, err := s.cfg.Control.Status(ctx, in.App)
		return &body[Status]{status}, err
	})
}

// inList is the part of an input that names an app and a page of a list of its.
type inList struct {
	InApp
	Page
}

// AppList is the answer of GET /v1/apps.
type AppList struct {
	Apps []Status `json:"apps"`
	Next string   `json:"next,omitempty" doc:"Cursor of the next page; left out on the last one"`
}

// VersionList is the answer of GET /v1/apps/{app}/versions.
type VersionList struct {
	Versions []VersionView `json:"versions"`
	Next     string        `json:"next,omitempty" doc:"Cursor of the next page; left out on the last one"`
}

// DeployBody is the body of POST /v1/apps/{app}/versions.
type DeployBody struct {
	Spec           teal.Spec    `json:"spec" doc:"The whole content of the version. Its bundles must have been uploaded."`
	Policy         *teal.Policy `json:"policy,omitempty" doc:"How to release; left out: the default policy."`
	Release        bool         `json:"release" doc:"false: record the version and release nothing"`
	By             string       `json:"by,omitempty" maxLength:"200" doc:"Who asks, for the record, where the token is the server's own; any other token has a name"`
	RefreshSecrets bool         `json:"refresh_secrets,omitempty" doc:"true: when the same content is there with older revisions of its secrets, make a new version with the newest"`
	// A reason is what overrides: there is no override without one.
	Force    *string `json:"force,omitempty" minLength:"1" maxLength:"1000" doc:"Why judges, checks and approvals shall not stop the release; left out: they shall"`
	Unfreeze *string `json:"unfreeze,omitempty" minLength:"1" maxLength:"1000" doc:"Why freeze windows shall not stop the release; left out: they shall"`
}

type deployInput struct {
	InApp
	Body DeployBody
}

func (in *deployInput) validate() error {
	if err := teal.CheckName("app", in.App); err != nil {
		return err
	}
	if in.Body.Spec.App != in.App {
		return teal.Errorf(teal.CodeInvalidInput, "the spec is of app %q and was sent to app %q", in.Body.Spec.App, in.App)
	}
	if err := in.Body.Spec.Validate(); err != nil {
		return err
	}
	for name, reason := range map[string]*string{"force": in.Body.Force, "unfreeze": in.Body.Unfreeze} {
		if reason != nil && strings.TrimSpace(*reason) == "" {
			return teal.Errorf(teal.CodeInvalidInput, "%s has no reason; say why, for the record", name)
		}
	}
	policy, err := in.Body.policy()
	if err != nil {
		return err
	}
	return policy.ValidateFor(in.Body.Spec, cron.Check)
}

// policy returns the policy with the steps that its strategy stands for.
func (b DeployBody) policy() (teal.Policy, error) {
	if b.Policy == nil {
		return teal.DefaultPolicy(), nil
	}
	return b.Policy.Compiled()
}

func (s *Server) apps(ctx context.Context, in *Page) (*body[AppList], error) {
	all, err := s.cfg.Control.Apps(ctx)
	if err != nil {
		return nil, err // translated by register
	}
	all = slices.DeleteFunc(all, func(s Status) bool { return !access.CallerOf(ctx).Sees(s.App) })
	page, next, err := cut(all, *in, byName("app", func(s Status) string { return s.App }))
	return &body[AppList]{AppList{Apps: page, Next: next}}, err
}

func (s *Server) versions(ctx context.Context, in *inList) (*body[VersionList], error) {
	all, err := s.cfg.Control.Versions(ctx, in.App)
	if err != nil {
		return nil, err // translated by register
	}
	page, next, err := cut(all, in.Page, byNumber(func(v teal.Version) int { return v.Number }))
	return &body[VersionList]{VersionList{Versions: viewVersions(page), Next: next}}, err
}

func (s *Server) registerVersions() {
	register(s, huma.Operation{
		OperationID: "deploy", Method: http.MethodPost, Path: "/v1/apps/{app}/versions", MaxBodyBytes: maxSpec,
		Summary: "Record a version and, if asked, start its release", Tags: []string{"versions"},
	}, s.deploy)
	register(s, huma.Operation{
		OperationID: "list-versions", Method: http.MethodGet, Path: "/v1/apps/{app}/versions",
		Summary: "All versions, oldest first", Tags: []string{"versions"},
	}, s.versions)
	register(s, huma.Operation{
		OperationID: "get-version", Method: http.MethodGet, Path: "/v1/apps/{app}/versions/{version}",
		Summary: "One version", Tags: []string{"versions"},
	}, s.version)
}

func (s *Server) deploy(ctx context.Context, in *deployInput) (*body[DeployView], error) {
	policy, err := in.Body.policy()
	if err != nil {
		return nil, err
	}
	deployed, err := s.cfg.Control.Deploy(ctx, Deploy{
		Spec: in.Body.Spec, Policy: policy, Release: in.Body.Release, By: by(ctx, in.Body.By),
		Force: said(in.Body.Force), Unfreeze: said(in.Body.Unfreeze), RefreshSecrets: in.Body.RefreshSecrets,
	})
	noteDeploy(ctx, in.Body, deployed)
	return &body[DeployView]{viewDeployed(deployed)}, err
}

// noteDeploy notes in the audit which version it is, and what it overrides.
func noteDeploy(ctx context.Context, b DeployBody, d Deployed) {
	order := access.OrderOf(ctx)
	if d.Version.Number > 0 {
		order.Note("%s", teal.VersionName(d.Version.Number))
	}
	if !b.Release {
		order.Note("recorded without a release")
	}
	if b.Force != nil {
		order.Note("force: %q", *b.Force)
	}
	if b.Unfreeze != nil {
		order.Note("override freeze: %q", *b.Unfreeze)
	}
}

// reason quotes why somebody did something; "" without a reason.
func reason(why string) string {
	if why == "" {
		return ""
	}
	return strconv.Quote(why)
}

type inVersion struct {
	InApp
	Version string `path:"version" doc:"Version number"`
}

func (s *Server) version(ctx context.Context, in *inVersion) (*body[VersionView], error) {
	version, err := s.findVersion(ctx, in.App, in.Version)
	if err != nil {
		return nil, err
	}
	return &body[VersionView]{ViewVersion(version)}, nil
}

// findVersion returns the version of an app that has a number.
func (s *Server) findVersion(ctx context.Context, app, number string) (teal.Version, error) {
	versions, err := s.cfg.Control.Versions(ctx, app)
	if err != nil {
		return teal.Version{}, err
	}
	for _, v := range versions {
		if strconv.Itoa(v.Number) == number {
			return v, nil
		}
	}
	return teal.Version{}, teal.Errorf(teal.CodeUnknownVersion, "%s has no version %s; %s", app, number, whichExist(versions))
}

// whichExist names the versions that there are, oldest first: "there are v1 and v4 to
// v9".
func whichExist(versions []teal.Version) string {
	var runs []string
	for i := 0; i < len(versions); {
		last := i
		for last+1 < len(versions) && versions[last+1].Number == versions[last].Number+1 {
			last++
		}
		run := teal.VersionName(versions[i].Number)
		if last-i < 2 { // two are no shorter as a run
			last = i
		} else {
			run += " to " + teal.VersionName(versions[last].Number)
		}
		runs, i = append(runs, run), last+1
	}
	switch n := len(runs); {
	case n == 0:
		return "there is none yet"
	case len(versions) == 1:
		return "there is only " + runs[0]
	case n == 1:
		return "there are " + runs[0]
	default:
		return "there are " + strings.Join(runs[:n-1], ", ") + " and " + runs[n-1]
	}
}

var releasePattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]*-[0-9]+$`)

type inRelease struct {
	ID string `path:"id" doc:"Release ID, such as shop-3"`
}

func (in inRelease) validate() error {
	if len(in.ID) > teal.MaxNameLength+20 || !releasePattern.MatchString(in.ID) {
		return teal.Errorf(teal.CodeUnknownRelease, "there is no release %q; IDs look like shop-3", in.ID)
	}
	return nil
}

func said(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
