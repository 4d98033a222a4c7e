package sigv4

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Presign returns the URL of a GET request with a signature that is good from
// now until it expires. Only Host is signed.
func (k Key) Presign(u *url.URL, now time.Time, life time.Duration) string {
	date := now.UTC().Format(timeFormat)
	day := date[:len(dayFormat)]
	signed := *u
	parameters := [][2]string{
		{"X-Amz-Algorithm", algorithm}, {"X-Amz-Credential", k.ID + "/" + k.scope(day)}, {headerDate, date},
		{"X-Amz-Expires", strconv.Itoa(int(life.Seconds()))}, {"X-Amz-SignedHeaders", "host"},
	}
	parts := []string{}
	if u.RawQuery != "" {
		parts = append(parts, u.RawQuery)
	}
	for _, p := range parameters {
		parts = append(parts, p[0]+"="+escape(p[1], false))
	}
	signed.RawQuery = strings.Join(parts, "&")
	s := &Signature{
		presigned: true,
		request:   &http.Request{Method: http.MethodGet, URL: &signed, Host: u.Host},
		headers:   []string{"host"},
	}
	signed.RawQuery += "&X-Amz-Signature=" + k.sign(date, s.canonical(hashOf(nil)))
	return signed.String()
}
