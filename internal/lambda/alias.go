package lambda

import (
	"context"
	"slices"
	"time"

	"teal"
	"teal/internal/access"
	"teal/internal/api"
	"teal/internal/api/awslambda"
)

var _ awslambda.Aliases = (*Backend)(nil)

// aliasPatience is how long a version may take to become healthy before an alias
// is not given to it: AWS's tools wait a minute for an answer.
const aliasPatience = 50 * time.Second

// Alias implements [awslambda.Aliases]. The derived preview can be looked at,
// too.
func (b *Backend) Alias(_ context.Context, ref awslambda.Ref, name string) (awslambda.Alias, error) {
	for _, record := range b.aliases.Aliases(ref.App) {
		if record.Value.Name == name {
			return awslambda.Alias{Alias: record.Value, Revision: record.Revision}, nil
		}
	}
	return awslambda.Alias{}, teal.Errorf(teal.CodeUnknownAlias, "app %s has no alias %s", ref.App, name)
}

// Aliases implements [awslambda.Aliases].
func (b *Backend) Aliases(_ context.Context, ref awslambda.Ref) ([]awslambda.Alias, error) {
	var list []awslambda.Alias
	for _, record := range b.aliases.Stored(ref.App) {
		list = append(list, awslambda.Alias{Alias: record.Value, Revision: record.Revision})
	}
	return list, nil
}

// SetAlias implements [awslambda.Aliases].
func (b *Backend) SetAlias(ctx context.Context, alias teal.Alias, revision uint64) (awslambda.Alias, error) {
	alias.UpdatedAt, alias.UpdatedBy = time.Now(), access.CallerOf(ctx).By("Lambda API")
	set := api.SetAlias{App: alias.App, Alias: alias.Name, Targets: alias.Targets, Revision: &revision, By: alias.UpdatedBy}
	patience, err := b.checkAlias(ctx, set)
	if err != nil {
		return awslambda.Alias{}, err
	}
	if revision == 0 && alias.Name != teal.AliasLive {
		return b.newAlias(ctx, alias)
	}
	if err := b.readyFor(ctx, set, patience); err != nil {
		return awslambda.Alias{}, err
	}
	if alias.Name == teal.AliasLive {
		if err := b.cfg.Apps.CheckNoRelease(ctx, alias.App); err != nil {
			return awslambda.Alias{}, err
		}
	}
	if err := b.aliases.SetDescribed(ctx, alias, revision); err != nil {
		return awslambda.Alias{}, err
	}
	b.warmUp(context.WithoutCancel(ctx), alias.App)
	return b.storedAlias(alias), nil
}

func (b *Backend) storedAlias(alias teal.Alias) awslambda.Alias {
	record := b.aliases.Alias(alias.App, alias.Name)
	return awslambda.Alias{Alias: record.Value, Revision: record.Revision}
}

// newAlias makes an alias that no route uses. As on AWS nobody waits until what it
// leads to is healthy, and the first call tells what is not: it is only started.
func (b *Backend) newAlias(ctx context.Context, alias teal.Alias) (awslambda.Alias, error) {
	for _, t := range alias.Targets {
		if b.environments.Runs(alias.App, t.Version) {
			continue
		}
		if err := b.environments.ProvisionUnslotted(ctx, alias.App, t.Version); err != nil {
			return awslambda.Alias{}, asConflict(err)
		}
	}
	if err := b.aliases.SetDescribed(ctx, alias, 0); err != nil {
		return awslambda.Alias{}, err
	}
	b.warmUp(context.WithoutCancel(ctx), alias.App)
	return b.storedAlias(alias), nil
}

// checkAlias refuses what an alias cannot point to, and returns how long its versions
// may take to become healthy.
func (b *Backend) checkAlias(ctx context.Context, set api.SetAlias) (patience time.Duration, err error) {
	switch leadsToDraft := slices.ContainsFunc(set.Targets, func(t teal.Target) bool { return t.Version == teal.Draft }); {
	case set.Alias == teal.AliasPreview:
		return 0, teal.Errorf(teal.CodeInvalidInput, "preview follows the newest version that is not live; it cannot be set by hand")
	case !leadsToDraft:
		patience, err = b.cfg.Orders.CheckAlias(ctx, set)
		return min(patience, aliasPatience), err
	case set.Alias == teal.AliasLive:
		return 0, teal.Errorf(teal.CodeInvalidInput, "the alias live answers the app's routes and can point to published versions alone, not to $LATEST")
	}
	return aliasPatience, nil
}

// readyFor starts the versions that an alias does not lead to yet, and blocks until
// they are ready.
func (b *Backend) readyFor(ctx context.Context, set api.SetAlias, patience time.Duration) error {
	now := b.aliases.Alias(set.App, set.Alias).Value
	for _, t := range set.Targets {
		if slices.ContainsFunc(now.Targets, func(has teal.Target) bool { return has.Version == t.Version }) {
			continue
		}
		if err := b.cfg.Orders.EnsureReady(ctx, set, t.Version, patience); err != nil {
			return asConflict(err)
		}
	}
	return nil
}

// asConflict says that a version is not fit for an alias in a way that clients do
// not take for a moment's trouble and try again.
func asConflict(err error) error {
	if teal.IsCode(err, teal.CodeUnavailable) {
		return &teal.Error{Code: teal.CodeConflict, Message: teal.MessageOf(err), Err: err}
	}
	return err
}

// DeleteAlias implements [awslambda.Aliases].
func (b *Backend) DeleteAlias(ctx context.Context, ref awslambda.Ref, name string) error {
	if name == teal.AliasLive {
		if err := b.cfg.Apps.CheckNoRelease(ctx, ref.App); err != nil {
			return err
		}
	}
	if err := b.aliases.Remove(ctx, ref.App, name); err != nil {
		return err
	}
	return b.forgetOfAll(ctx, ref.App, name)
}
