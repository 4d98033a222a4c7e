package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	dayFormat  = "20060102"

	headerDate    = "X-Amz-Date"
	headerToken   = "X-Amz-Security-Token"
	headerPayload = "X-Amz-Content-Sha256"
)

// maxSkew is how far a request's date may be from the server's clock.
const maxSkew = 5 * time.Minute

// maxExpires is the longest life of a presigned URL, in seconds: a week.
const maxExpires = 7 * 24 * 60 * 60

// Key is one access key and what it is good for.
type Key struct {
	ID      string
	Secret  string
	Region  string
	Service string // "lambda"
}

// Signature is what a request says about its signature. Parse returns it before
// the body has been read, so that a stranger cannot make a server read much.
type Signature struct {
	request   *http.Request
	presigned bool
	id        string // of the access key
	day       string
	region    string
	service   string
	end       string
	date      string
	expires   int // seconds; presigned only
	headers   []string
	signature string
}

// Parse reads the signature of a request and checks everything that needs no
// secret: that there is one, its form, its key's name, its scope and its time.
// The error is an *Error.
func (k Key) Parse(r *http.Request, now time.Time) (*Signature, error) {
	s, err := parse(r)
	if err != nil {
		return nil, err
	}
	if s.id != k.ID || r.Header.Get(headerToken) != "" || (s.presigned && r.URL.Query().Has(headerToken)) {
		return nil, errUnknownKey
	}
	if err := k.checkScope(s); err != nil {
		return nil, err
	}
	if err := s.checkTime(now); err != nil {
		return nil, err
	}
	return s, s.checkSigned()
}

// VerifyHead verifies what can be verified before a body is read: a request
// without one, and one whose head declares the hash of its payload in
// X-Amz-Content-Sha256. It reports whether the client has proven with that who it
// is; what is then left to Verify is that the body is the declared one. A
// payload that is declared unsigned, or signed in pieces, is refused: nothing
// would vouch for it. The error is an *Error.
func (k Key) VerifyHead(s *Signature) (proven bool, err error) {
	payload := s.request.Header.Get(headerPayload)
	switch {
	case payload != "" && !isHash(payload):
		return false, mismatchf("'%s' must be the SHA-256 hash of the payload: unsigned payloads and payloads signed in pieces are not accepted.", headerPayload)
	case payload != "":
	case s.request.ContentLength == 0:
		payload = hashOf(nil)
	default:
		return false, nil
	}
	err = k.verify(s, payload)
	return err == nil, err
}

// Verify compares the signature with the one that the key makes of the request
// and its body. The error is an *Error.
func (k Key) Verify(s *Signature, body []byte) error {
	payload := hashOf(body)
	if said := s.request.Header.Get(headerPayload); said != "" && said != payload {
		return errMismatch
	}
	return k.verify(s, payload)
}

func (k Key) verify(s *Signature, payload string) error {
	// A server without a secret accepts nobody.
	if k.Secret == "" || !hmac.Equal([]byte(k.sign(s.date, s.canonical(payload))), []byte(s.signature)) {
		return errMismatch
	}
	return nil
}

func hashOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

func isHash(text string) bool {
	data, err := hex.DecodeString(text)
	return err == nil && len(data) == sha256.Size
}

func (k Key) checkScope(s *Signature) error {
	switch {
	case s.region != k.Region:
		return mismatchf("Credential should be scoped to a valid region, not '%s'. This server's region is %s.", s.region, k.Region)
	case s.service != k.Service:
		return mismatchf("Credential should be scoped to correct service: '%s'.", k.Service)
	case s.end != terminator:
		return mismatchf("Credential should be scoped with a valid terminator: '%s', not '%s'.", terminator, s.end)
	case s.day != s.date[:len(dayFormat)]:
		return mismatchf("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.", s.day, s.date[:len(dayFormat)], s.date)
	}
	return nil
}

func (s *Signature) checkTime(now time.Time) error {
	at, err := time.Parse(timeFormat, s.date)
	if err != nil {
		return incompletef("Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", s.date)
	}
	now = now.UTC()
	late, life := maxSkew, "5 min."
	if s.presigned {
		late, life = time.Duration(s.expires)*time.Second, strconv.Itoa(s.expires)+" s."
	}
	switch {
	case at.Before(now.Add(-late)):
		return mismatchf("Signature expired: %s is now earlier than %s (%s - %s)", s.date, now.Add(-late).Format(timeFormat), now.Format(timeFormat), life)
	case at.After(now.Add(maxSkew)):
		return mismatchf("Signature not yet current: %s is still later than %s (%s + 5 min.)", s.date, now.Add(maxSkew).Format(timeFormat), now.Format(timeFormat))
	}
	return nil
}

// checkSigned refuses a request of which something that matters is not covered
// by the signature: anybody on the way could have changed it.
func (s *Signature) checkSigned() error {
	if !slices.Contains(s.headers, "host") {
		return mismatchf("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range s.request.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(s.headers, lower) {
			return mismatchf("'%s' must be a 'SignedHeader' in the AWS Authorization.", lower)
		}
	}
	return nil
}

// canonical returns the canonical request, in which the payload stands as its
// hash.
func (s *Signature) canonical(payload string) string {
	var b strings.Builder
	b.WriteString(s.request.Method)
	b.WriteByte('\n')
	b.WriteString(canonicalPath(s.request.URL))
	b.WriteByte('\n')
	b.WriteString(canonicalQuery(s.request.URL.RawQuery, s.presigned))
	b.WriteByte('\n')
	for _, name := range s.headers {
		b.WriteString(name)
		b.WriteByte(':')
		b.WriteString(s.header(name))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.WriteString(strings.Join(s.headers, ";"))
	b.WriteByte('\n')
	b.WriteString(payload)
	return b.String()
}

// header returns the value of a header as it is signed: spaces folded, several
// values joined with commas.
func (s *Signature) header(name string) string {
	var values []string
	switch name {
	case "host":
		values = []string{s.request.Host}
	case "content-length":
		if values = s.request.Header.Values(name); len(values) == 0 {
			values = []string{strconv.FormatInt(s.request.ContentLength, 10)}
		}
	default:
		values = s.request.Header.Values(name)
	}
	folded := make([]string, len(values))
	for i, v := range values {
		folded[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(folded, ",")
}

// sign returns the signature of a canonical request.
func (k Key) sign(date, canonical string) string {
	day := date[:len(dayFormat)]
	hash := sha256.Sum256([]byte(canonical))
	text := algorithm + "\n" + date + "\n" + k.scope(day) + "\n" + hex.EncodeToString(hash[:])
	key := mac([]byte("AWS4"+k.Secret), day)
	for _, part := range []string{k.Region, k.Service, terminator} {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, text))
}

func (k Key) scope(day string) string {
	return day + "/" + k.Region + "/" + k.Service + "/" + terminator
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte(text)) // a hash never returns an error
	return h.Sum(nil)
}

// canonicalPath returns the path as it was sent, encoded once more: services
// other than S3 sign it so.
func canonicalPath(u *url.URL) string {
	sent := u.EscapedPath()
	if sent == "" {
		return "/"
	}
	return escape(sent, true)
}

// canonicalQuery returns the parameters sorted and encoded, without the signature
// itself where it is one of them: where it is in a header, a parameter of that name is
// the client's.
func canonicalQuery(raw string, presigned bool) string {
	if raw == "" {
		return ""
	}
	var pairs []string
	for part := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(part, "=")
		name, value = unescape(name), unescape(value)
		if part != "" && !(presigned && name == "X-Amz-Signature") {
			pairs = append(pairs, escape(name, false)+"="+escape(value, false))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// escape encodes everything but RFC 3986's unreserved characters.
func escape(s string, slashes bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0 || (slashes && c == '/') {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}
