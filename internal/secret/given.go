package secret

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"teal"
	"teal/internal/removal"
)

// Given is what a program gets of its secrets. Whoever starts the program adds Env to its
// variables, and calls Close when nothing of it runs any more.
type Given struct {
	// Env are the variables that refer to secrets, and TEAL_SECRETS, the folder with a file
	// of each secret's name; empty when there is none.
	Env    map[string]string
	dir    string
	values []string
}

// Opener gives programs their secrets. It is implemented by Secrets.
type Opener interface {
	Open(ctx context.Context, app string, refs map[string]teal.SecretRef) (*Given, error)
}

// Open returns what a program of an app gets whose variables refer to secrets. The errors
// are Value's, and CodeInvalidInput for a value that no variable can hold.
func (s *Secrets) Open(ctx context.Context, app string, refs map[string]teal.SecretRef) (*Given, error) {
	given := &Given{Env: map[string]string{}}
	if len(refs) == 0 {
		return given, nil
	}
	files, total := map[string][]byte{}, 0
	for _, variable := range slices.Sorted(maps.Keys(refs)) {
		ref := refs[variable]
		value, err := s.Value(ctx, app, ref)
		if err != nil {
			return nil, err
		}
		if !ref.File && bytes.IndexByte(value, 0) >= 0 {
			return nil, ref.ErrBinary()
		}
		if total += len(value); teal.Bytes(total) > teal.MaxBoundSecrets {
			return nil, teal.Errorf(teal.CodeTooLarge, "the secrets of one program have more than %s together", teal.MaxBoundSecrets)
		}
		files[ref.Name] = value
		given.values = append(given.values, string(value))
		given.Env[variable] = string(value)
	}
	dir, err := s.cfg.Folders.make(files)
	if err != nil {
		return nil, err
	}
	given.dir = dir
	given.Env[teal.SecretsFolder] = dir
	for variable, ref := range refs {
		if ref.File {
			given.Env[variable] = filepath.Join(dir, ref.Name)
		}
	}
	return given, nil
}

// Values returns the values, which no output may show.
func (g *Given) Values() []string { return g.values }

// Mask returns what hides the values of secrets of an app; those that cannot be read are
// nowhere to be hidden.
func (s *Secrets) Mask(ctx context.Context, app string, refs []teal.SecretRef) *Mask {
	var values []string
	for _, ref := range refs {
		if value, err := s.Value(ctx, app, ref); err == nil {
			values = append(values, string(value))
		}
	}
	return NewMask(values)
}

// Close removes the files.
func (g *Given) Close() error {
	if g == nil || g.dir == "" {
		return nil
	}
	if err := removal.Tree(g.dir); err != nil {
		return fmt.Errorf("remove the files of secrets: %w", err)
	}
	return nil
}
