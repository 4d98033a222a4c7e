package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"teal"
)

// Programs makes and knows the tokens of programs that the server runs. They are good for
// as long as the server runs, and for what [Program] may do alone; nothing of them is
// stored.
type Programs struct{ key [32]byte }

// NewPrograms returns tokens that no other server accepts.
func NewPrograms() *Programs {
	p := &Programs{}
	_, _ = rand.Read(p.key[:]) // never fails, see crypto/rand
	return p
}

// Program is a version of an app whose instance asks.
type Program struct {
	App     string
	Version teal.VersionRef
}

// Token returns the token of a version's instances.
func (p *Programs) Token(of Program) string {
	name := of.App + "." + of.Version.String()
	return name + "." + p.sign(name)
}

// Find returns whose token it is; false for one that is none.
func (p *Programs) Find(token string) (Program, bool) {
	i := strings.LastIndexByte(token, '.')
	if i < 0 || !hmac.Equal([]byte(token[i+1:]), []byte(p.sign(token[:i]))) {
		return Program{}, false
	}
	app, label, _ := strings.Cut(token[:i], ".")
	version, ok := teal.ParseVersionRef(label)
	return Program{app, version}, ok
}

func (p *Programs) sign(text string) string {
	mac := hmac.New(sha256.New, p.key[:])
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
