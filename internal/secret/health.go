package secret

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"teal"
)

// Run keeps up with the store until ctx ends; then it removes the files of secrets.
func (s *Secrets) Run(ctx context.Context) error {
	return errors.Join(s.mirror.Follow(ctx, s.watch), s.cfg.Folders.Close())
}

func subject(app, name string, revision int) string {
	return fmt.Sprintf("%s/%s/%d", app, name, revision)
}

// judge opens or closes the alert about a secret.
func (s *Secrets) judge(of teal.Secret, err error) {
	at := subject(of.App, of.Name, of.Revision)
	if err == nil {
		s.cfg.Alerts.Resolve(teal.AlertSecretUnreadable, at)
		return
	}
	s.cfg.Alerts.Report(teal.Alert{
		Code: teal.AlertSecretUnreadable, Subject: at,
		Message: upperFirst(teal.MessageOf(err)) + ". What runs with it goes on; what needs it to start does not start.",
		Remedy:  fmt.Sprintf("Put the key back as a further line where the keys are, or restore the backup; what needs the secret starts then by itself. If the key is lost for good: `teal secret set %s %s`, then `teal deploy --refresh-secrets`.", of.App, of.Name),
	})
}

func upperFirst(sentence string) string {
	if sentence == "" {
		return ""
	}
	return strings.ToUpper(sentence[:1]) + sentence[1:]
}
