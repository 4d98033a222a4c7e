package awslambda

import "teal"

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
	t, ref, err := h.unqualified(q)
	switch {
	case err != nil:
		return nil, err
	case in.PublishTo != "":
		return nil, unavailablef("PublishTo: versions are published under their numbers.")
	case in.Description != nil && len(*in.Description) > maxDescription:
		return nil, invalid(*in.Description, "description", "Member must have length less than or equal to 256")
	}
	end, err := h.updates.begin(h.cfg.Place.arn(t.name, ""))
	if err != nil {
		return nil, err
	}
	defer end()
	return h.publish(q, t, ref, in)
}

// publish records the draft as a version, unless it is what the newest version
// was published from.
func (h *Handler) publish(q *request, t target, ref Ref, in publishInput) (any, error) {
	c, err := h.cfg.Backend.Publish(q.ctx, ref, func(draft Content, last *Content) (*teal.Function, error) {
		s := settingsOf(draft.Function)
		sha := or(s.CodeSha256, bundleSha(draft.Function.Code))
		switch {
		case in.RevisionId != "" && in.RevisionId != draft.Revision:
			return nil, stale("GetFunction/GetFunctionConfiguration")
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
	if err != nil {
		return nil, err
	}
	return h.describe(t.name, c.Version.String(), c), nil
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
		out.Versions = append(out.Versions, h.describe(t.name, v.Version.String(), v.Content))
	}
	return out, err
}
