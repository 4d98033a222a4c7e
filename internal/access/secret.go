package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"teal"
)

// prefix begins every token, so that people, and programs that look for secrets in
// places where they should not be, know one when they see it.
const prefix = "teal_"

// Lengths of the parts of a token, in bytes before they are written in base 32: an
// ID that nobody draws twice, and a secret that nobody guesses.
const (
	lenID     = 10
	lenSecret = 32
)

var letters = base32.StdEncoding.WithPadding(base32.NoPadding)

// draw returns a new token and its ID.
func draw() (token, id string) {
	random := make([]byte, lenID+lenSecret)
	_, _ = rand.Read(random) // never fails, see crypto/rand
	id = strings.ToLower(letters.EncodeToString(random[:lenID]))
	return prefix + id + "_" + strings.ToLower(letters.EncodeToString(random[lenID:])), id
}

// idOf returns the ID in a token; "" for what is none.
func idOf(token string) string {
	rest, ok := strings.CutPrefix(token, prefix)
	id, _, whole := strings.Cut(rest, "_")
	if !ok || !whole {
		return ""
	}
	return id
}

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// accessKeyID is the ID of the access key of a token, in the alphabet and of the
// length that AWS's tools expect.
func accessKeyID(id string) string { return "TEAL" + strings.ToUpper(id) }

// KeyIDOf returns the ID of the access key that a token also is; "" for none.
func KeyIDOf(t teal.Token) string {
	if !t.AccessKey {
		return ""
	}
	return accessKeyID(t.ID)
}

// accessKeySecret returns the secret of a token's access key. AWS's signatures need
// it in clear on both sides, so it is made from a key of the server's that is not in
// the store, and never stored.
func accessKeySecret(serverKey, id string) string {
	mac := hmac.New(sha256.New, []byte(serverKey))
	mac.Write([]byte("aws access key " + id))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
