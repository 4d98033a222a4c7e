package awslambda

import (
	"context"
	"time"

	"teal"
)

// versionOfQualifier reads a qualifier that is a version: a number, or $LATEST.
// Digits that are no version's number are none of an alias's either: then version is
// 0.
func versionOfQualifier(qualifier string) (version teal.VersionRef, ok bool) {
	version, ok = teal.ParseVersionRef(qualifier)
	return version, ok || digitsPattern.MatchString(qualifier)
}

type publishInput struct {
	CodeSha256  string
	Description *string
	RevisionId  string
	PublishTo   string
}

func (h *Handler) publishVersion(q *request) (any, error) {
	var in publishInput
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	var mistakes violations
	descriptionRule.optional(&mistakes, "description", in.Description)
	t, ref, err := h.unqualifiedOf(q, mistakes)
	switch {
	case err != nil:
		return nil, err
	case in.PublishTo != "":
		return nil, unavailablef("PublishTo: versions are published under their numbers.")
	}
	end, err := h.updates.begin(h.cfg.Place.arn(t.name, ""))
	if err != nil {
		return nil, err
	}
	defer end()
	if err := h.settled(q.ctx, ref); err != nil {
		return nil, err
	}
	published, err := h.publish(q, ref, in)
	if err != nil {
		return nil, err
	}
	return h.describe(t.name, published.Version.String(), published), nil
}

// settled blocks until the draft is as it will stay. AWS refuses a version of a
// function that is still changing; here that is a moment, in which the client would
// only ask again.
func (h *Handler) settled(ctx context.Context, ref Ref) error {
	draft, err := h.cfg.Backend.Draft(ctx, ref)
	if err != nil || draft.Change == "" {
		return err
	}
	timer := time.NewTimer(draft.Settles.Sub(h.cfg.Now()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// publish records the draft as a version, unless it is what the newest version
// was published from.
func (h *Handler) publish(q *request, ref Ref, in publishInput) (Content, error) {
	return h.cfg.Backend.Publish(q.ctx, ref, func(draft Content, last *Content) (*teal.Function, error) {
		s := settingsOf(draft.Function)
		sha := or(s.CodeSha256, bundleSha(draft.Function.Code))
		switch {
		case in.RevisionId != "" && in.RevisionId != draft.Revision:
			return nil, stale(readFunction)
		case in.CodeSha256 != "" && in.CodeSha256 != sha:
			return nil, invalidf("CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST.", in.CodeSha256, sha)
		}
		hash := draftHash(draft.Function)
		if last != nil {
			was := settingsOf(last.Function)
			if was.Draft == hash || was.Draft == "" && draftHash(last.Function) == hash {
				return nil, nil
			}
			s.After, _ = last.Version.Number()
		}
		s.Draft = hash
		set(&s.Description, in.Description)
		f := s.with(draft.Function)
		return &f, nil
	})
}

// ListVersionsOutput is the shape ListVersionsByFunctionResponse.
type ListVersionsOutput struct {
	NextMarker string `json:",omitempty"`
	Versions   []FunctionConfiguration
}

func (h *Handler) listVersions(q *request) (any, error) {
	t, ref, err := h.unqualified(q)
	if err != nil {
		return nil, err
	}
	list, err := h.versionsOf(q.ctx, Name{t.name, ref})
	if err != nil {
		return nil, err
	}
	out := ListVersionsOutput{Versions: []FunctionConfiguration{}}
	list, out.NextMarker, err = page(q, "versions of "+t.name, list, versionOf.order)
	for _, v := range list {
		out.Versions = append(out.Versions, h.listed(t.name, v.Version.String(), v.Content))
	}
	return out, err
}
