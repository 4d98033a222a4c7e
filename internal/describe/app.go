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

// The ranks of apps in a list: those that need somebody come first.
const (
	rankFailing = iota // users get errors more often than not
	rankBroken         // something does not run as it should
	rankWaiting        // a release waits for somebody
	rankErrors         // some requests fail
	rankHealthy
)

// noticeable is the share of errors from which on an app stands above those without
// trouble.
const noticeable = 0.01

// RankOf says how much an app needs somebody.
func RankOf(status api.Status) int {
	worst := rankHealthy
	for _, env := range status.Environments {
		switch {
		case env.Failing != "":
			return rankFailing
		case env.State == api.StateDegraded || env.State == api.StateFailed:
			worst = rankBroken
		}
	}
	r := status.Release
	switch {
	case worst == rankBroken:
	case r != nil && !r.Phase.Ended() && (r.Commands.Pause != nil || r.WaitsSince != nil || r.DoubtSince != nil || r.OutageSince != nil):
		worst = rankWaiting
	case status.Traffic != nil && status.Traffic.ErrorShare >= noticeable:
		worst = rankErrors
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
