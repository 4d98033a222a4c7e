package api

import (
	"context"
	"net/http"
	"regexp"

	"github.com/danielgtaylor/huma/v2"

	"teal"
	"teal/internal/access"
)

// OrderBody is the body of POST /v1/apps/{app}/pause and of resume; it may be
// left out.
type OrderBody struct {
	By  string `json:"by,omitempty" maxLength:"200" doc:"Who asks, for the record, where the token is the server's own; any other token has a name"`
	Why string `json:"why,omitempty" maxLength:"1000" doc:"Why, for the record"`
}

// ApproveBody is the body of POST /v1/apps/{app}/approve; it may be left out.
type ApproveBody struct {
	Step int    `json:"step,omitempty" minimum:"0" doc:"The step, from 1, that is approved; 0 or left out: the one that waits"`
	By   string `json:"by,omitempty" maxLength:"200" doc:"Who asks, for the record, where the token is the server's own; any other token has a name"`
	Why  string `json:"why,omitempty" maxLength:"1000" doc:"Why, for the record"`
}

type orderInput struct {
	InApp
	Body *OrderBody
}

type approveInput struct {
	InApp
	Body *ApproveBody
}

func (s *Server) registerOrders() {
	for kind, summary := range map[teal.CommandKind]string{
		teal.CommandPause:  "Let the active release stay where it is, until resume",
		teal.CommandResume: "Let a paused release go on",
	} {
		register(s, huma.Operation{
			OperationID: string(kind), Method: http.MethodPost, Path: "/v1/apps/{app}/" + string(kind),
			Summary: summary, Tags: []string{"releases"},
		}, func(ctx context.Context, in *orderInput) (*body[ReleaseView], error) {
			command := OrderBody{}
			if in.Body != nil {
				command = *in.Body
			}
			return s.command(ctx, in.App, teal.Command{Kind: kind, By: command.By, Why: command.Why})
		})
	}
	register(s, huma.Operation{
		OperationID: "approve", Method: http.MethodPost, Path: "/v1/apps/{app}/approve",
		Summary: "Say that the step that waits for a person may be left", Tags: []string{"releases"},
	}, func(ctx context.Context, in *approveInput) (*body[ReleaseView], error) {
		command := ApproveBody{}
		if in.Body != nil {
			command = *in.Body
		}
		return s.command(ctx, in.App, teal.Command{Kind: teal.CommandApprove, By: command.By, Why: command.Why, Step: command.Step})
	})
	register(s, huma.Operation{
		OperationID: "answer-hook", Method: http.MethodPost, Path: "/v1/releases/{id}/hooks/{token}", DefaultStatus: http.StatusNoContent,
		Summary:     "The answer of a hook that had said that it would come later",
		Description: "The token in the path, which the hook was given, is all that is needed.",
		Tags:        []string{"releases"}, Security: []map[string][]string{{}},
	}, s.answerHook)
}

func (s *Server) command(ctx context.Context, app string, command teal.Command) (*body[ReleaseView], error) {
	command.By = by(ctx, command.By)
	access.OrderOf(ctx).Note("%s", reason(command.Why))
	release, err := s.cfg.Control.Command(ctx, app, command)
	return &body[ReleaseView]{ViewRelease(release)}, err
}

// HookStatus is how a hook ended, in CodeDeploy's words.
type HookStatus string

// How a hook ended.
const (
	HookSucceeded HookStatus = "Succeeded"
	HookFailed    HookStatus = "Failed"
)

// HookAnswer is the body of POST /v1/releases/{id}/hooks/{token}.
type HookAnswer struct {
	Status HookStatus `json:"status" enum:"Succeeded,Failed"`
	Reason string     `json:"reason,omitempty" maxLength:"1000" doc:"Why, for people"`
}

type hookInput struct {
	ID    string `path:"id" doc:"Release ID, such as shop-3"`
	Token string `path:"token" doc:"What the hook was given as its token"`
	Body  HookAnswer
}

// The length is checked apart: a count in the pattern makes every start of the
// program, and so every command, a millisecond longer.
var tokenPattern = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

const maxToken = 200

func (in *hookInput) validate() error {
	if err := (inRelease{ID: in.ID}).validate(); err != nil {
		return err
	}
	if len(in.Token) > maxToken || !tokenPattern.MatchString(in.Token) {
		return teal.Errorf(teal.CodeNotFound, "no hook of release %s waits for an answer under this token", in.ID)
	}
	return nil
}

func (s *Server) answerHook(ctx context.Context, in *hookInput) (*struct{}, error) {
	verdict := teal.VerdictPass
	if in.Body.Status == HookFailed {
		verdict = teal.VerdictFail
	}
	return nil, s.cfg.Control.AnswerHook(ctx, in.ID, in.Token, verdict, in.Body.Reason)
}
