package describe

import (
	"cmp"
	"maps"
	"slices"

	"teal"
	"teal/internal/api"
)

// Live says which versions have the traffic of users.
func Live(status api.Status) string {
	live, ok := status.Aliases[teal.AliasLive]
	if !ok {
		return "none"
	}
	return teal.FormatTargets(live.Versions)
}

// Role says what a version is for the users. That a standby is one its state says.
func Role(role teal.VersionRole) string {
	if role == teal.VersionStandby {
		return ""
	}
	return string(role)
}

// AliasOrder puts Teal's own aliases first.
func AliasOrder(aliases map[string]api.AliasView) []string {
	names := slices.Sorted(maps.Keys(aliases))
	rank := func(name string) int { return slices.Index([]string{teal.AliasPreview, teal.AliasLive}, name) }
	slices.SortStableFunc(names, func(a, b string) int { return rank(b) - rank(a) })
	return names
}

// Rank is how much an app needs somebody; the smallest the most.
type Rank int

// The ranks of apps in a list: those that need somebody come first.
const (
	RankFailing Rank = iota // users get errors more often than not
	RankBroken              // something does not run as it should
	RankWaiting             // a release waits for somebody
	RankErrors              // some requests fail
	RankHealthy
)

// noticeable is the share of errors from which on an app stands above those without
// trouble.
const noticeable = 0.01

// RankOf says how much an app needs somebody.
func RankOf(status api.Status) Rank {
	worst := RankHealthy
	for _, env := range status.Environments {
		switch {
		case env.Failing != "":
			return RankFailing
		case env.State == api.StateDegraded || env.State == api.StateFailed:
			worst = RankBroken
		}
	}
	r := status.Release
	switch {
	case worst == RankBroken:
	case r != nil && !r.Phase.Ended() && (r.Commands.Pause != nil || r.WaitsSince != nil || r.DoubtSince != nil || r.OutageSince != nil):
		worst = RankWaiting
	case status.Traffic != nil && status.Traffic.ErrorShare >= noticeable:
		worst = RankErrors
	}
	return worst
}

// ProblemsFirst sorts apps by their ranks; those of one rank stay in the order of their
// names.
func ProblemsFirst(apps []api.Status) []api.Status {
	apps = slices.Clone(apps)
	slices.SortStableFunc(apps, func(a, b api.Status) int { return cmp.Compare(RankOf(a), RankOf(b)) })
	return apps
}
