package pinned_test

import "crypto/x509"

// verify checks a certificate as a client does that trusts it alone.
func verify(der []byte, name string) error {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	_, err = certificate.Verify(x509.VerifyOptions{DNSName: name, Roots: roots})
	return err
}
