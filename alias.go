package teal

import (
	"strconv"
	"strings"
	"time"
)

// The aliases that Teal keeps itself.
const (
	AliasLive    = "live"    // what routes use
	AliasPreview = "preview" // follows the newest version that is not live
)

// Alias is a named pointer to one version, or to two with a weight. Its store
// revision is what a compare-and-swap compares.
type Alias struct {
	App     string   `json:"app"`
	Name    string   `json:"name"`
	Targets []Target `json:"versions"` // one or two; the first is the primary
	// Description is for people; it stays when the alias moves.
	Description string    `json:"description,omitempty"`
	UpdatedAt   time.Time `json:"updated_at"`
	UpdatedBy   string    `json:"updated_by"` // "release hello-3", "alias set", …
	// Changes are the last moves that no release has made, oldest first, at most
	// MaxAliasChanges. They are a part of the alias's own record: noting them costs no
	// write, and a move is never without its note.
	Changes []AliasChange `json:"changes,omitempty"`
}

// Target is one version that an alias points to, and its share.
type Target struct {
	Version VersionRef `json:"version"`
	Weight  Weight     `json:"weight"`
}

// Only returns the targets of an alias that points to one version alone.
func Only(version int) []Target { return []Target{{Version: VersionRef(version), Weight: All}} }

// Primary returns what the alias belongs to: the first target; 0 for an alias
// without targets.
func (a Alias) Primary() VersionRef {
	if len(a.Targets) == 0 {
		return 0
	}
	return a.Targets[0].Version
}

// Weight returns the share that version gets through the alias; 0 when the
// alias does not point to it.
func (a Alias) Weight(version int) Weight {
	for _, t := range a.Targets {
		if t.Version == VersionRef(version) {
			return t.Weight
		}
	}
	return 0
}

// PointsTo reports whether version is a target, at any weight.
func (a Alias) PointsTo(version int) bool {
	for _, t := range a.Targets {
		if t.Version == VersionRef(version) {
			return true
		}
	}
	return false
}

// IsOnly reports whether version gets everything and nothing else is a target.
func (a Alias) IsOnly(version int) bool {
	return len(a.Targets) == 1 && a.Targets[0] == Target{Version: VersionRef(version), Weight: All}
}

// CheckTargets returns an error with CodeInvalidWeights unless targets are one
// or two different versions whose weights add up to exactly All.
func CheckTargets(targets []Target) error {
	if len(targets) == 0 || len(targets) > 2 {
		return Errorf(CodeInvalidWeights, "an alias points to one version or to two; got %d", len(targets))
	}
	var sum Weight
	for _, t := range targets {
		if t.Version < 1 {
			return Errorf(CodeInvalidWeights, "%d is not a version number; versions start at 1", int(t.Version))
		}
		if t.Weight < 0 || t.Weight > All {
			return Errorf(CodeInvalidWeights, "the weight of version %s is %s; expected 0 to 100", t.Version, t.Weight)
		}
		sum += t.Weight
	}
	if len(targets) == 2 && targets[0].Version == targets[1].Version {
		return Errorf(CodeInvalidWeights, "version %s is named twice", targets[0].Version)
	}
	if sum != All {
		return Errorf(CodeInvalidWeights, "the weights add up to %s; they must add up to exactly 100", sum)
	}
	return nil
}

// ParseTargets reads targets as the command line writes them: "2", or
// "1=90" and "2=10". It checks them with CheckTargets.
func ParseTargets(args []string) ([]Target, error) {
	targets := make([]Target, 0, len(args))
	for _, arg := range args {
		number, weight, weighted := strings.Cut(arg, "=")
		version, err := strconv.Atoi(number)
		if err != nil || version > MaxVersion {
			return nil, Errorf(CodeInvalidWeights, "%q is not VERSION or VERSION=WEIGHT, such as 2 or 2=10", arg)
		}
		target := Target{Version: VersionRef(version), Weight: All}
		if weighted {
			if target.Weight, err = ParseWeight(weight); err != nil {
				return nil, err
			}
		}
		targets = append(targets, target)
	}
	return targets, CheckTargets(targets)
}

// VersionName writes a version for people: "v2", or DraftName.
func VersionName[V int | VersionRef](version V) string {
	if VersionRef(version) == Draft {
		return DraftName
	}
	return "v" + strconv.Itoa(int(version))
}

// FormatTargets writes targets for people: "v2", or "v1 at 90 %, v2 at 10 %", or
// "no version".
func FormatTargets(targets []Target) string {
	switch len(targets) {
	case 0:
		return "no version"
	case 1:
		return VersionName(targets[0].Version)
	}
	parts := make([]string, len(targets))
	for i, t := range targets {
		parts[i] = VersionName(t.Version) + " at " + t.Weight.String() + " %"
	}
	return strings.Join(parts, ", ")
}
