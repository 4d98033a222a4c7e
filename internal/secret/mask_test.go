package secret_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"teal/internal/secret"
)

const canary = `canary<"käse">/+?=&%\7f9a-swordfish`

// A value is hidden in every form in which programs print it. Seen red with encodings
// that returns nothing, with one shift of base64 alone, and without asciiOnly.
func TestMaskKnowsTheFormsOfAValue(t *testing.T) {
	t.Parallel()
	mask := secret.NewMask([]string{canary, "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n"})
	quoted, err := json.Marshal(canary)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"as it is":          {"url is " + canary + ", really", "url is ***, really"},
		"twice":             {canary + " " + canary, "*** ***"},
		"one on the other":  {canary + canary, "***"},
		"JSON":              {"{\"v\":" + string(quoted) + "}", `{"v":"***"}`},
		"JSON of Python":    {`{"v": "canary<\"k\u00e4se\">/+?=&%\\7f9a-swordfish"}`, `{"v": "***"}`},
		"a query":           {"/?q=" + url.QueryEscape(canary) + "&x=1", "/?q=***&x=1"},
		"a path":            {"/" + url.PathEscape(canary) + "/x", "/***/x"},
		"Python's quote":    {"/canary%3C%22k%C3%A4se%22%3E/%2B%3F%3D%26%25%5C7f9a-swordfish", "/***"},
		"hexadecimal":       {"<" + hex.EncodeToString([]byte(canary)) + ">", "<***>"},
		"HEXADECIMAL":       {"<" + strings.ToUpper(hex.EncodeToString([]byte(canary))) + ">", "<***>"},
		"a line of several": {"MIIEvQIBADANBgkq", "***"},
		"nothing":           {"canary canary", "canary canary"},
		"nothing at all":    {"", ""},
	} {
		if got := mask.String(c.text); got != c.want {
			t.Errorf("%s: %q is shown as %q, want %q", name, c.text, got, c.want)
		}
	}
	for before := range 7 {
		for _, as := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
			text := as.EncodeToString([]byte(strings.Repeat("u", before) + canary + ":password"))
			if got := mask.String(text); !strings.Contains(got, "***") || len(got) > 30+len(":password")*2+before*2 {
				t.Errorf("in base64 after %d bytes: %q is shown as %q", before, text, got)
			}
		}
	}
}

// Short values would hide half of every log, and no value hides nothing. Seen red with
// minMasked 1.
func TestMaskOfNothing(t *testing.T) {
	t.Parallel()
	for _, values := range [][]string{nil, {""}, {"abc"}, {"\n\n"}} {
		mask := secret.NewMask(values)
		if mask != nil {
			t.Errorf("%q has a mask", values)
		}
		if got := mask.String("abcabc"); got != "abcabc" {
			t.Errorf("%q: %q", values, got)
		}
		if got := mask.Stream().Piece([]byte("abc"), false); string(got) != "abc" {
			t.Errorf("%q: %q", values, got)
		}
	}
}

// A value that an output is cut in is hidden all the same, wherever that is, but for what
// is too short to be told from anything else. Seen red without Stream.at, and without the
// look at what may be the beginning of a value.
func TestMaskAcrossPieces(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789abcdefghijklmnopqrstuvwxyz", 5) + "end"
	for _, value := range []string{"swordfish-7f9a", canary, long} {
		mask := secret.NewMask([]string{value})
		text := "before " + value + " after"
		for i := range len(text) {
			for j := i; j <= len(text); j++ {
				stream, shown := mask.Stream(), ""
				for _, piece := range []string{text[:i], text[i:j], text[j:]} {
					shown += string(stream.Piece([]byte(piece), false))
				}
				rest := strings.ReplaceAll(shown, "***", "")
				if !strings.HasPrefix(rest, "before ") || !strings.HasSuffix(rest, " after") || len(rest) > len("before  after")+2*5 {
					t.Fatalf("%q cut at %d and %d is shown as %q", text, i, j, shown)
				}
			}
		}
	}
}

// Lines end values: the beginning of one at the end of a line is nothing to hide. Seen red
// with ended not looked at.
func TestMaskEndsWithALine(t *testing.T) {
	t.Parallel()
	stream := secret.NewMask([]string{"swordfish-7f9a"}).Stream()
	for _, line := range []string{"swordfish-", "7f9a", "swordfish-7f9a"} {
		want := strings.ReplaceAll(line, "swordfish-7f9a", "***")
		if got := stream.Piece([]byte(line), true); string(got) != want {
			t.Errorf("%q is shown as %q", line, got)
		}
	}
}

// The mask finds what a search for each value finds, in texts of few letters, which are
// full of beginnings of values. Seen red with link that leaves out fail, and with found
// not taken from it.
func TestMaskAgainstASearch(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "ab"[random.IntN(2)]
		}
		return string(b)
	}
	for range 2000 {
		var values []string
		for range 1 + random.IntN(4) {
			values = append(values, word(6+random.IntN(20)))
		}
		text := word(random.IntN(300))
		hidden := make([]bool, len(text))
		for _, v := range values {
			for i := 0; i+len(v) <= len(text); i++ {
				if text[i:i+len(v)] == v {
					for k := range v {
						hidden[i+k] = true
					}
				}
			}
		}
		var want strings.Builder
		for i := range text {
			if !hidden[i] {
				want.WriteByte(text[i])
			} else if i == 0 || !hidden[i-1] {
				want.WriteString("***")
			}
		}
		if got := secret.NewMask(values).String(text); got != want.String() {
			t.Fatalf("%q in %q is shown as %q, want %q", values, text, got, want.String())
		}
	}
}

// What the largest values cost is bounded. Seen red without maxNodes: 75 MB.
func TestMaskOfLargeValues(t *testing.T) {
	t.Parallel()
	random := rand.NewChaCha8([32]byte{})
	var values []string
	for range 8 {
		b := make([]byte, 64<<10)
		_, _ = random.Read(b)
		values = append(values, base64.StdEncoding.EncodeToString(b)[:64<<10])
	}
	mask := secret.NewMask(values)
	if n := secret.Nodes(mask); n > 2<<20 {
		t.Errorf("%d nodes", n)
	}
	for _, v := range values {
		if got := mask.String("<" + v + ">"); got != "<***>" {
			t.Fatalf("%d bytes are shown", len(got))
		}
	}
}

func BenchmarkMask(b *testing.B) {
	var values []string
	for i := range 20 {
		values = append(values, fmt.Sprintf("postgres://user%d:%016x@db.internal:5432/shop", i, rand.Uint64()))
	}
	line := []byte(`2026-01-02T10:32:00Z INFO request served path=/orders/4711 status=200 duration=12ms client=192.0.2.7 agent="Mozilla/5.0 (X11; Linux x86_64)" db=postgres://user3 pool=7`)
	worst := []byte(strings.Repeat("postgres://user1:", 10))
	for name, line := range map[string][]byte{"log line": line, "beginnings of values": worst} {
		b.Run(name, func(b *testing.B) {
			stream := secret.NewMask(values).Stream()
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				stream.Piece(line, true)
			}
		})
	}
}
