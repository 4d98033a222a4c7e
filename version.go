package teal

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"
)

// Draft stands for an app's draft where the number of a version is needed: the
// mutable content that AWS calls $LATEST. No version ever gets this number.
const Draft = 999_999

// DraftName is what AWS's interfaces call the draft.
const DraftName = "$LATEST"

// VersionLabel returns a version's number as the wire has it, or DraftName.
func VersionLabel(number int) string {
	if number == Draft {
		return DraftName
	}
	return strconv.Itoa(number)
}

// Version is an immutable, numbered snapshot of an app. Two versions of one app
// never have the same digest.
type Version struct {
	App       string    `json:"app"`
	Number    int       `json:"number"` // 1, 2, 3 …
	Digest    string    `json:"digest"` // of Spec
	Spec      Spec      `json:"spec"`
	CreatedAt time.Time `json:"created_at"`
}

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
