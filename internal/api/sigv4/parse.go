package sigv4

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// KeyID returns the id of the access key that a request says it is signed with; "" for
// none. Nothing of it is proven.
func KeyID(r *http.Request) string {
	s, err := parse(r)
	if err != nil {
		return ""
	}
	return s.id
}

// parse takes a request's signature apart without judging it.
func parse(r *http.Request) (*Signature, error) {
	authorization := r.Header.Get("Authorization")
	query := r.URL.Query()
	switch {
	case authorization == "" && query.Has("X-Amz-Algorithm"):
		return parseQuery(r, query)
	case authorization == "":
		return nil, errMissing
	}
	return parseHeader(r, authorization)
}

// parseHeader reads "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…,
// Signature=…".
func parseHeader(r *http.Request, authorization string) (*Signature, error) {
	fields, ok := strings.CutPrefix(authorization, algorithm)
	if !ok || !strings.HasPrefix(fields, " ") {
		return nil, incompletef("Unsupported AWS 'algorithm': expected '%s'.", algorithm)
	}
	given := map[string]string{}
	for part := range strings.SplitSeq(fields, ",") {
		name, value, found := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := given[name]; !found || twice {
			return nil, incompletef("'%.100s' not a valid key=value pair (missing equal-sign) in Authorization header: %s.", strings.TrimSpace(part), hashed(authorization))
		}
		given[name] = value
	}
	date := r.Header.Get(headerDate)
	if date == "" {
		if at, err := http.ParseTime(r.Header.Get("Date")); err == nil {
			date = at.UTC().Format(timeFormat)
		}
	}
	var missing []string
	for _, name := range []string{"Credential", "Signature", "SignedHeaders"} {
		if given[name] == "" {
			missing = append(missing, "Authorization header requires '"+name+"' parameter.")
		}
	}
	if date == "" {
		missing = append(missing, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if len(missing) > 0 {
		return nil, incompletef("%s %s", strings.Join(missing, " "), hashed(authorization))
	}
	s := &Signature{request: r, date: date, signature: given["Signature"], headers: splitHeaders(given["SignedHeaders"])}
	return s, s.scope(given["Credential"])
}

func parseQuery(r *http.Request, query url.Values) (*Signature, error) {
	if query.Get("X-Amz-Algorithm") != algorithm {
		return nil, incompletef("Unsupported AWS 'algorithm': '%.50s' (only %s is supported).", query.Get("X-Amz-Algorithm"), algorithm)
	}
	for _, name := range []string{"X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"} {
		if query.Get(name) == "" {
			return nil, incompletef("AWS query-string parameters must include '%s'. Re-examine the query-string parameters.", name)
		}
	}
	expires, err := strconv.Atoi(query.Get("X-Amz-Expires"))
	if err != nil || expires < 1 || expires > maxExpires {
		return nil, incompletef("'X-Amz-Expires' must be a number of seconds from 1 to %d.", maxExpires)
	}
	s := &Signature{
		request: r, presigned: true, date: query.Get("X-Amz-Date"), expires: expires,
		signature: query.Get("X-Amz-Signature"), headers: splitHeaders(query.Get("X-Amz-SignedHeaders")),
	}
	return s, s.scope(query.Get("X-Amz-Credential"))
}

// splitHeaders returns the names of the signed headers, sorted and each once.
func splitHeaders(list string) []string {
	names := strings.Split(strings.ToLower(list), ";")
	slices.Sort(names)
	return slices.Compact(names)
}

// scope reads "KEY/20060102/region/service/aws4_request", and checks that the
// date is one: what follows cuts it.
func (s *Signature) scope(credential string) error {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 {
		return incompletef("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%.200s'", credential)
	}
	if _, err := time.Parse(timeFormat, s.date); err != nil {
		return incompletef("Date must be in ISO-8601 'basic format'. Got '%.50s'. See http://en.wikipedia.org/wiki/ISO_8601", s.date)
	}
	s.id, s.day, s.region, s.service, s.end = parts[0], parts[1], parts[2], parts[3], parts[4]
	return nil
}

// hashed shows a header to somebody who has it already, and to nobody else.
func hashed(authorization string) string {
	sum := sha256.Sum256([]byte(authorization))
	return "(Hashed with SHA-256 and encoded with Base64) Authorization=" + base64.StdEncoding.EncodeToString(sum[:])
}
