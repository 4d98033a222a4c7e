package cli

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"teal"
)

// EdgeOptions is what the server command was told about the gateway's edge: TLS,
// the access log, limits.
type EdgeOptions struct {
	HTTPS        string // address; "" for none
	Certificates []Certificate
	Folders      []string // of certificates
	AccessLog    string   // file; "-" is standard output, "" no log
	Format       string   // of its lines
	Sample       float64  // the share of requests in it
	Limits       []Limit
	Underscores  bool // header names with underscores are passed on
	ACME         *ACMEOptions
	// Redirect sends requests for hosts with a certificate to HTTPS.
	Redirect bool
	HSTS     teal.Duration // how long browsers are to ask over HTTPS alone; 0: they are not told
}

// ACMEOptions says from whom certificates are had automatically.
type ACMEOptions struct {
	Directory string // address; "" is Let's Encrypt's
	Email     string
	Roots     string // file with the authorities that the directory's certificate is checked with; "" is the system's
}

// Certificate names the files of a certificate and its key.
type Certificate struct{ Cert, Key string }

// Limit is one limit of the server, not checked yet, and where it was given: what an
// error about it begins with.
type Limit struct{ Name, Value, Where string }

type edgeFlags struct {
	https             string
	certs, keys, dirs []string
	log, format       string
	sample            string
	limits            []string
	underscores       bool
	tls, hsts         string
	acme              ACMEOptions
	redirect          bool
}

func (f *edgeFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.https, "https", "", "address of the gateway for TLS, such as :8443; requires a certificate")
	flags.StringArrayVar(&f.certs, "tls-cert", nil, "certificate file (PEM with chain); repeatable, the first is the default")
	flags.StringArrayVar(&f.keys, "tls-key", nil, "key file for the --tls-cert in the same position")
	flags.StringArrayVar(&f.dirs, "tls-dir", nil, "folder of certificates: NAME.crt with NAME.key, or NAME/fullchain.pem with NAME/privkey.pem; repeatable")
	flags.StringVar(&f.tls, "tls", "", "auto: certificates for the hosts of live routes from an ACME authority, whose terms you accept by this")
	flags.StringVar(&f.acme.Directory, "acme-directory", "", "address of the authority's directory (default Let's Encrypt's)")
	flags.StringVar(&f.acme.Email, "acme-email", "", "address that the authority may write to")
	flags.StringVar(&f.acme.Roots, "acme-ca-roots", "", "file of certificates (PEM) that the authority's own is checked with (default the system's)")
	flags.BoolVar(&f.redirect, "https-redirect", false, "send requests that come without TLS to https://, for hosts that have a certificate")
	flags.StringVar(&f.hsts, "hsts", "", "how long browsers are to use HTTPS alone, such as 4320h: Strict-Transport-Security in every answer over TLS")
	flags.StringVar(&f.log, "access-log", "", "file for one line per request; - for standard output")
	flags.StringVar(&f.format, "access-log-format", "json", "json or combined")
	flags.StringVar(&f.sample, "access-log-sample", "100%", "share of requests to log; server errors (5xx) are always logged")
	flags.BoolVar(&f.underscores, "underscores-in-headers", false, "forward request headers with underscores in their names; WSGI and CGI cannot tell them from hyphens")
	flags.StringArrayVar(&f.limits, "limit", nil, "a limit of the server, such as body-stall=60s; repeatable (see docs/limits.md)")
}

func (f *edgeFlags) options(from origins) (EdgeOptions, error) {
	o := EdgeOptions{HTTPS: f.https, Folders: f.dirs, AccessLog: f.log, Format: f.format, Underscores: f.underscores}
	if f.https != "" && !isAddress(f.https) {
		return o, from.wrong("https", "%q is not an address; write HOST:PORT or :PORT", f.https)
	}
	if len(f.certs) != len(f.keys) {
		return o, teal.Errorf(teal.CodeInvalidInput, "%d --tls-cert but %d --tls-key; each certificate needs its key", len(f.certs), len(f.keys))
	}
	for i, cert := range f.certs {
		o.Certificates = append(o.Certificates, Certificate{Cert: cert, Key: f.keys[i]})
	}
	err := f.secure(&o, from)
	if err != nil {
		return o, err
	}
	if o.Sample, err = parseShare(from, f.sample); err != nil {
		return o, err
	}
	o.Limits, err = f.limitsOf(from)
	return o, err
}

func (f *edgeFlags) limitsOf(from origins) (limits []Limit, err error) {
	for _, text := range f.limits {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, from.wrong("limit", "%q is not a limit; write NAME=VALUE", text)
		}
		limits = append(limits, Limit{Name: name, Value: value, Where: from.limit(text)})
	}
	return limits, nil
}

// secure sets what is about TLS.
func (f *edgeFlags) secure(o *EdgeOptions, from origins) error {
	if f.tls != "" && f.tls != "auto" {
		return from.wrong("tls", "%q is not known; use auto, or leave it out", f.tls)
	}
	if has := len(o.Certificates)+len(o.Folders) > 0 || f.tls != ""; has != (f.https != "") {
		return teal.Errorf(teal.CodeInvalidInput, "%s requires %s/%s, %s or --tls auto, and vice versa", from.of("https"), from.of("tls-cert"), from.of("tls-key"), from.of("tls-dir"))
	}
	for flag, given := range map[string]bool{"https-redirect": f.redirect, "hsts": f.hsts != ""} {
		if given && f.https == "" {
			return from.wrong(flag, "it is about HTTPS, which is not on; set --https, too")
		}
	}
	for flag, value := range map[string]string{"acme-directory": f.acme.Directory, "acme-email": f.acme.Email, "acme-ca-roots": f.acme.Roots} {
		if value != "" && f.tls == "" {
			return from.wrong(flag, "it is about certificates from an authority; set --tls auto, too")
		}
	}
	if at, err := url.Parse(f.acme.Directory); f.acme.Directory != "" && (err != nil || at.Scheme != "https" || at.Host == "") {
		return from.wrong("acme-directory", "%q is not the address of a directory; write one that begins with https://", f.acme.Directory)
	}
	if f.acme.Email != "" && !emailPattern.MatchString(f.acme.Email) {
		return from.wrong("acme-email", "%q is not an e-mail address", f.acme.Email)
	}
	if f.tls != "" {
		o.ACME = &f.acme
	}
	o.Redirect = f.redirect
	if f.hsts == "" {
		return nil
	}
	if err := o.HSTS.UnmarshalText([]byte(f.hsts)); err != nil || o.HSTS < teal.Duration(time.Second) {
		return from.wrong("hsts", "%q is not a time; write one such as 4320h", f.hsts)
	}
	return nil
}

var emailPattern = regexp.MustCompile(`^[^\s@<>,]+@[^\s@<>,]+\.[^\s@<>,]+$`)

// parseShare reads 1% or 0.01 as a number from 0 to 1.
func parseShare(from origins, text string) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	share, err := strconv.ParseFloat(number, 64)
	if percent {
		share /= 100
	}
	if err != nil || !(share >= 0 && share <= 1) {
		return 0, from.wrong("access-log-sample", "%q is not a share; write one such as 1%% or 0.01", text)
	}
	return share, nil
}
