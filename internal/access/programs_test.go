package access_test

import (
	"testing"

	"teal"
	"teal/internal/access"
)

// Seen red with the signature not compared.
func TestTokensOfPrograms(t *testing.T) {
	t.Parallel()
	p := access.NewPrograms()
	for _, of := range []access.Program{{App: "shop", Version: 7}, {App: "shop", Version: teal.Draft}} {
		if got, ok := p.Find(p.Token(of)); !ok || got != of {
			t.Errorf("%+v is found as %+v, %v", of, got, ok)
		}
	}
	token := p.Token(access.Program{App: "shop", Version: 7})
	for _, wrong := range []string{"", ".", "shop.7", "shop.7.", "shop.8" + token[len("shop.7"):], token + "x", access.NewPrograms().Token(access.Program{App: "shop", Version: 7})} {
		if of, ok := p.Find(wrong); ok {
			t.Errorf("%q is the token of %+v", wrong, of)
		}
	}
}
