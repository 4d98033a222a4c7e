package datadir

import (
	"cmp"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"teal"
	"teal/internal/atomicfile"
	"teal/internal/doctor"
	"teal/internal/pinned"
	"teal/internal/store/natskv"
)

// Mend makes the folders of the data directory what the server needs, except the
// store's: one that is missing is made, one that its owner may not use is given
// back to him, and what is in the way of one is set aside. What cannot be mended is
// reported; whoever needs the folder fails when it does.
func (d *Dir) Mend(alerts *doctor.Alerts) {
	for _, name := range []string{Bundles, Logs, Zips, Recordings, Audit, Checks, Jobs, Work, State} {
		d.Report(alerts, name, doctor.MendFolder(alerts, d.Join(name)))
	}
}

// Report tells people that something in the data directory is not as it should be.
func (d *Dir) Report(alerts *doctor.Alerts, name string, err error) {
	if err == nil {
		return
	}
	alerts.Report(teal.Alert{
		Code: teal.AlertFileUnreadable, Subject: d.Join(name),
		Message: fmt.Sprintf("%s cannot be used as it should be: %s. What needs it fails; everything else is served.", d.Join(name), errorText(err)),
		Remedy:  "Give it and what is in it to the user that the server runs as, see that its disk can be written to, and start the server again.",
	})
}

// secretPattern is what a header can carry.
var secretPattern = regexp.MustCompile(`^[!-~]+$`)

// Secret returns the secret in a file, such as the admin token, or a new one that
// it writes there for its owner alone. A file that holds no secret is set aside.
func (d *Dir) Secret(alerts *doctor.Alerts, name string) string {
	data, err := os.ReadFile(d.Join(name))
	secret := strings.TrimSpace(string(data))
	if err == nil && secretPattern.MatchString(secret) {
		return secret
	}
	if !errors.Is(err, fs.ErrNotExist) && (err != nil || secret != "") {
		d.Report(alerts, name, doctor.SetAside(alerts, d.Join(name), "it holds no secret that can be read: "+cmp.Or(errorText(err), "it is damaged")+"; clients need the new one"))
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails, see crypto/rand
	secret = base64.RawURLEncoding.EncodeToString(random)
	d.Report(alerts, name, atomicfile.Write(d.Join(name), []byte(secret+"\n")))
	return secret
}

// Certificate returns the certificate that the admin API shows who knows it by its
// fingerprint, and makes it where there is none. A pair that cannot be used is set aside;
// one that cannot be written is good until the server ends.
func (d *Dir) Certificate(alerts *doctor.Alerts) (tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(d.Join(AdminCertificate), d.Join(AdminKey))
	if err == nil {
		return pair, nil
	}
	for _, name := range []string{AdminCertificate, AdminKey} {
		if _, missing := os.Lstat(d.Join(name)); !errors.Is(missing, fs.ErrNotExist) {
			d.Report(alerts, name, doctor.SetAside(alerts, d.Join(name), "it is of no use: "+errorText(err)+"; clients need the new fingerprint"))
		}
	}
	certificate, key, err := pinned.Create()
	if err != nil {
		return tls.Certificate{}, err
	}
	d.Report(alerts, AdminKey, atomicfile.Write(d.Join(AdminKey), key))
	d.Report(alerts, AdminCertificate, atomicfile.Write(d.Join(AdminCertificate), certificate))
	return tls.X509KeyPair(certificate, key)
}

// errorText is an error inside a sentence.
func errorText(err error) string {
	var said *teal.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &said):
		return strings.TrimSuffix(said.Message, ".")
	}
	return err.Error()
}

// OpenError says what to do about a store that cannot be opened.
func (d *Dir) OpenError(err error) error {
	dir := d.Join(Store)
	what := fmt.Sprintf("The store in %s cannot be opened: %v. Give it and what is in it to the user that the server runs as, see that its disk can be written to, and start the server again.", dir, err)
	switch {
	case teal.IsCode(err, teal.CodeDataInUse):
		return err
	case errors.Is(err, natskv.ErrDamaged):
		what = teal.MessageOf(err)
	}
	return &teal.Error{Code: teal.CodeOf(err), Err: err, Message: fmt.Sprintf("%s\n"+
		"Copy %s somewhere safe before anything else. Without a backup: `mv %s %s.damaged`, start the server, which begins with an empty store, and deploy the apps again; code and logs are kept in %s.",
		what, d.path, dir, dir, d.path)}
}
