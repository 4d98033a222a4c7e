package client

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"

	"teal"
	"teal/internal/pinned"
)

// Shown returns the fingerprint of the certificate with which a server has not proven who
// it is, from the chain of a teal.CodeUntrustedServer; false where err is another error.
func Shown(err error) (pinned.Fingerprint, bool) {
	var mismatch *pinned.MismatchError
	if errors.As(err, &mismatch) {
		return mismatch.Got, true
	}
	var unproven *tls.CertificateVerificationError
	if errors.As(err, &unproven) && len(unproven.UnverifiedCertificates) > 0 {
		return pinned.Of(unproven.UnverifiedCertificates[0].Raw), true
	}
	return pinned.Fingerprint{}, false
}

// untrusted explains why a handshake has failed, or that the other side speaks no TLS;
// nil where err is another error.
func (c *Client) untrusted(err error) error {
	if errors.Is(err, http.ErrSchemeMismatch) {
		return &teal.Error{Code: teal.CodeBadAnswer, Err: err, Message: fmt.Sprintf(
			"what answers at %s speaks no TLS; write http:// instead, if it is a Teal server on this machine", c.base)}
	}
	shown, ok := Shown(err)
	if !ok {
		return nil
	}
	var mismatch *pinned.MismatchError
	if errors.As(err, &mismatch) {
		return &teal.Error{Code: teal.CodeUntrustedServer, Err: err, Message: fmt.Sprintf(
			"the server at %s shows another certificate than the one that is known here. Either it has a new one, or somebody stands between; nothing was sent to it.\n"+
				"  known  %s\n  shown  %s\n"+
				"Ask who runs the server for its fingerprint; when it is the one that was shown, log in again: teal login %s", c.base, mismatch.Want, shown, c.base)}
	}
	return &teal.Error{Code: teal.CodeUntrustedServer, Err: err, Message: fmt.Sprintf(
		"the certificate of %s is not one that this machine trusts; nothing was sent to it.\n"+
			"  shown  %s\n"+
			"When that is the fingerprint that the server logs when it starts: teal login %s, or TEAL_FINGERPRINT=%s", c.base, shown, c.base, shown)}
}
