package teal

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// VersionRef says what runs, or where an alias leads: a numbered version, or the
// app's draft, the mutable content that AWS calls $LATEST. The zero VersionRef is
// neither.
//
// What has to be a recorded version is an int, its number: a VersionRef is none, so
// the compiler keeps drafts out. The way down is Number, which says when there is
// none; the way up is a conversion.
//
// In records and on the wire a VersionRef is a number, which for the draft is one
// that no version ever gets.
type VersionRef int

// Draft is an app's draft.
const Draft VersionRef = 999_999

// MaxVersion is the highest number that a version can have.
const MaxVersion = int(Draft) - 1

// DraftName is what AWS's interfaces, and people, call the draft.
const DraftName = "$LATEST"

// Number returns the number of a version; ok is false for the draft and for none.
func (r VersionRef) Number() (number int, ok bool) {
	if r < 1 || r >= Draft {
		return 0, false
	}
	return int(r), true
}

// String returns the number as the wire has it, or DraftName.
func (r VersionRef) String() string {
	if r == Draft {
		return DraftName
	}
	return strconv.Itoa(int(r))
}

// ParseVersionRef reads DraftName, or the digits of a version's number; ok is false
// for everything else, an alias for one.
func ParseVersionRef(s string) (r VersionRef, ok bool) {
	if s == DraftName {
		return Draft, true
	}
	if strings.Trim(s, "0123456789") != "" { // an error of strconv would be allocated, for every call through an alias
		return 0, false
	}
	number, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, false
	}
	r = VersionRef(number)
	if _, ok = r.Number(); !ok {
		return 0, false
	}
	return r, true
}

// Version is an immutable, numbered snapshot of an app. Two versions of one app
// never have the same digest.
type Version struct {
	App       string    `json:"app"`
	Number    int       `json:"number"` // 1, 2, 3 …; 0 for what a draft is at the moment
	Digest    string    `json:"digest"` // of Spec
	Spec      Spec      `json:"spec"`
	CreatedAt time.Time `json:"created_at"`
}

// Ref returns the version as something that can run.
func (v Version) Ref() VersionRef { return VersionRef(v.Number) }

// Digest returns "sha256:" and the hexadecimal hash of the spec's canonical
// JSON. Equal content has equal digests: routes keep their order, which is part
// of the content; map keys are sorted.
func (s Spec) Digest() string {
	if s.Routes == nil {
		s.Routes = []Route{} // no route is no route, however it is written
	}
	data, err := json.Marshal(s)
	if err != nil {
		// A Spec holds only strings, integers and text marshalers that never fail.
		panic("teal: spec cannot be encoded: " + err.Error())
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Bundles returns the digests of the code bundles that the spec needs, without
// repetition, in no particular order.
func (s Spec) Bundles() []string {
	seen := map[string]bool{}
	var digests []string
	for _, c := range s.Components {
		needs := c.Layers()
		if digest, has := c.Code(); has {
			needs = append([]string{digest}, needs...)
		}
		for _, digest := range needs {
			if !seen[digest] {
				seen[digest] = true
				digests = append(digests, digest)
			}
		}
	}
	return digests
}
