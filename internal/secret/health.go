package secret

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"teal"
	"teal/internal/store"
)

// keyAgain is how often it is looked whether a key that is missing is back.
const keyAgain = 10 * time.Second

// Run keeps up with the store until ctx ends; then it removes the files of secrets. At the
// start, and while a key is missing, it looks whether all that is stored can be read, and
// encrypts it anew where the first key is another one.
func (s *Secrets) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		s.lookAfterKeys(ctx)
	}()
	err := s.mirror.Follow(ctx, s.watch)
	stop()
	<-looked
	return errors.Join(err, s.cfg.Folders.Close())
}

func (s *Secrets) lookAfterKeys(ctx context.Context) {
	again := time.NewTicker(keyAgain)
	defer again.Stop()
	for told := s.missingKeys(ctx, nil); len(told) > 0; told = s.missingKeys(ctx, told) {
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
	if err := s.rotate(ctx); err != nil && ctx.Err() == nil {
		s.cfg.Logger.Warn("secrets could not be encrypted with the new key; the next start of the server will try again", "error", err)
	}
}

// missingKeys returns the keys that something is encrypted with and that are not there,
// and tells people of them; told are those of the last time.
func (s *Secrets) missingKeys(ctx context.Context, told []string) (missing []string) {
	names := map[string][]string{}
	s.mirror.Each(func(i info) {
		if at := i.app + "/" + i.name; i.revision > 0 && !slices.Contains(names[i.key], at) {
			names[i.key] = append(names[i.key], at)
		}
	})
	for key, of := range names {
		_, err := s.cfg.Keys.named(ctx, key)
		if err == nil {
			continue
		}
		missing = append(missing, key)
		slices.Sort(of)
		s.cfg.Alerts.Report(teal.Alert{
			Code: teal.AlertSecretUnreadable, Subject: key,
			Message: fmt.Sprintf("%d secrets cannot be read (%s): %s. What runs with them goes on; what needs them to start does not start.", len(of), some(of), teal.MessageOf(err)),
			Remedy:  keyRemedy,
		})
	}
	for _, key := range told {
		if !slices.Contains(missing, key) {
			s.cfg.Alerts.Resolve(teal.AlertSecretUnreadable, key)
		}
	}
	return missing
}

const keyRemedy = "Put the key back where it was, as a further line beside others that are there: what waits for it starts by itself. If it is lost for good, set these secrets anew with `teal secret set`, and deploy with `teal deploy --refresh-secrets`."

// rotate encrypts anew what is encrypted with another key than the first. Values and
// revisions stay what they are.
func (s *Secrets) rotate(ctx context.Context) error {
	var old []info
	s.mirror.Each(func(i info) {
		if i.revision > 0 {
			old = append(old, i)
		}
	})
	if len(old) == 0 {
		return nil
	}
	first, err := s.cfg.Keys.sealing(ctx, false)
	if err != nil {
		return err
	}
	old = slices.DeleteFunc(old, func(i info) bool { return i.key == first.name })
	done := 0
	for _, i := range old {
		if err := s.reseal(ctx, i, first); err != nil {
			return err
		}
		done++
	}
	if done > 0 {
		s.cfg.Logger.Info("secrets are encrypted with the new key; backups from before still need the older one", "revisions", done, "key", first.name)
	}
	return nil
}

func (s *Secrets) reseal(ctx context.Context, i info, with key) error {
	_, err := s.table.Modify(ctx, store.SecretKey{App: i.app, Name: i.name, Revision: i.revision}, func(v *teal.Secret) error {
		value, err := s.cfg.Keys.unseal(ctx, *v)
		if err != nil {
			s.judge(*v, err)
			return err
		}
		*v, err = seal(*v, value, with)
		return err
	})
	if teal.IsCode(err, teal.CodeSecretUnavailable) {
		return nil // it is told, and the others can be
	}
	return store.IgnoreMissing(err)
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
		Remedy:  fmt.Sprintf("See that the key is where it was, or restore the backup: what needs the secret starts then by itself. If it is lost for good: `teal secret set %s %s`, then `teal deploy --refresh-secrets`.", of.App, of.Name),
	})
}

func upperFirst(sentence string) string {
	if sentence == "" {
		return ""
	}
	return strings.ToUpper(sentence[:1]) + sentence[1:]
}
