// Package pinned is TLS between a client and a server that has no certificate from an
// authority: the server makes its own, once, and the client accepts that very one, which
// it knows by its fingerprint.
package pinned

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"strings"
	"time"

	"teal"
)

// Fingerprint is the SHA-256 of a certificate's DER encoding, which
// `openssl x509 -noout -fingerprint -sha256` shows.
type Fingerprint [sha256.Size]byte

// Of returns the fingerprint of a certificate in DER.
func Of(der []byte) Fingerprint { return sha256.Sum256(der) }

// OfFile returns the fingerprint of the first certificate in a PEM file.
func OfFile(path string) (Fingerprint, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Fingerprint{}, fmt.Errorf("pinned: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return Fingerprint{}, fmt.Errorf("pinned: %s holds no certificate", path)
	}
	return Of(block.Bytes), nil
}

const prefix = "sha256:"

// String returns the fingerprint as "sha256:" and 64 digits in lower case.
func (f Fingerprint) String() string { return prefix + hex.EncodeToString(f[:]) }

// Parse reads what String writes, and what openssl does: digits in either case, with
// colons between them or without. The error has teal.CodeInvalidInput.
func Parse(text string) (Fingerprint, error) {
	digits := strings.TrimSpace(text)
	if _, after, found := strings.Cut(digits, "="); found { // openssl's line as a whole
		digits = after
	}
	digits = strings.ReplaceAll(strings.TrimPrefix(strings.ToLower(digits), prefix), ":", "")
	raw, err := hex.DecodeString(digits)
	if err != nil || len(raw) != sha256.Size {
		return Fingerprint{}, teal.Errorf(teal.CodeInvalidInput, "%q is not a fingerprint; write sha256: and 64 hexadecimal digits, as the server shows it", text)
	}
	return Fingerprint(raw), nil
}

// MarshalText and UnmarshalText are String and Parse.
func (f Fingerprint) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (f *Fingerprint) UnmarshalText(text []byte) (err error) {
	*f, err = Parse(string(text))
	return err
}

// MismatchError is the end of a handshake with a server that has another certificate than
// the one that was expected.
type MismatchError struct{ Want, Got Fingerprint }

func (e *MismatchError) Error() string {
	return fmt.Sprintf("the certificate is %s, not %s", e.Got, e.Want)
}

// ClientConfig returns a configuration that accepts the certificate with the fingerprint,
// whatever names, times and issuer it has, and no other one: the handshake then ends with a
// *MismatchError in its chain.
func ClientConfig(want Fingerprint) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// The fingerprint takes the place of the chain, see VerifyConnection.
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection, which resumed sessions call, too, verifies
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				return errors.New("the server has shown no certificate")
			}
			got := Of(state.PeerCertificates[0].Raw)
			if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
				return &MismatchError{Want: want, Got: got}
			}
			return nil
		},
	}
}

// ServerConfig returns a configuration for a listener that shows own, except to clients
// that ask for a name for which named has a certificate. It speaks HTTP/1.1.
func ServerConfig(own tls.Certificate, named func(*tls.ClientHelloInfo) *tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if certificate := named(hello); certificate != nil {
				return certificate, nil
			}
			return &own, nil
		},
	}
}

// forever is the time that stands for no end, see RFC 5280, 4.1.2.5.
var forever = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// Create makes a certificate and its key, both in PEM: for this machine's names and
// addresses, and without an end, so that who has pinned it need never be told another.
func Create() (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("pinned: make a key: %w", err)
	}
	der, err := sign(private)
	if err != nil {
		return nil, nil, fmt.Errorf("pinned: make a certificate: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("pinned: write a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), nil
}

// sign returns a certificate for a key, by itself, in DER.
func sign(key *ecdsa.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	names, addresses := ownNames()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "Teal admin API"},
		NotBefore:    time.Unix(0, 0).UTC(), // clocks differ
		NotAfter:     forever,
		DNSNames:     names, IPAddresses: addresses,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		// It can stand in a file of authorities, as AWS_CA_BUNDLE names one, and signs nothing.
		BasicConstraintsValid: true,
	}
	return x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
}

// ownNames returns what this machine is called and which addresses it has now.
func ownNames() (names []string, addresses []net.IP) {
	names = []string{"localhost"}
	if host, err := os.Hostname(); err == nil && host != "" && host != "localhost" {
		names = append(names, host)
	}
	interfaces, err := net.InterfaceAddrs()
	if err != nil { // its name is enough
		return names, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	}
	for _, at := range interfaces {
		if network, ok := at.(*net.IPNet); ok {
			addresses = append(addresses, network.IP)
		}
	}
	return names, addresses
}
