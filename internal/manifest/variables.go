package manifest

import (
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/joho/godotenv"

	"teal"
	"teal/internal/yamltree"
)

// Variables are those of whoever deploys.
type Variables struct {
	// Lookup returns the value of a variable, and whether it is set. Nil: none is.
	Lookup func(name string) (string, bool)
	// MayMiss: that a variable is not set is no error; Manifest.Missing names it.
	MayMiss bool
}

func (v Variables) get(name string) (string, bool) {
	if v.Lookup == nil {
		return "", false
	}
	return v.Lookup(name)
}

// variableReference matches what of a value begins a reference, or is one: ${NAME} or
// ${NAME:-default}. $${ stands for ${ itself.
var variableReference = regexp.MustCompile(`\$?\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})?`)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expansion is what became of a value.
type expansion struct {
	text    string
	names   []string // of the variables that it refers to
	missing []string // of these, those that are not set and have no default
	broken  bool     // a ${ begins no reference
}

// expand puts the values of variables in the place of references.
func expand(text string, lookup func(name string) (string, bool)) expansion {
	var e expansion
	e.text = variableReference.ReplaceAllStringFunc(text, func(found string) string {
		if strings.HasPrefix(found, "$$") {
			return found[1:]
		}
		parts := variableReference.FindStringSubmatch(found)
		name, fallback := parts[1], parts[2]
		if name == "" {
			e.broken = true
			return found
		}
		e.names = append(e.names, name)
		value, set := lookup(name)
		switch {
		case set:
			return value
		case strings.HasPrefix(found, "${"+name+":-"):
			return fallback
		}
		e.missing = append(e.missing, name)
		return found
	})
	return e
}

// environment returns the variables that are written at a path, and the names of
// those whose values come from whoever deploys.
func (r *reading) environment(at []string, env map[string]variable) (values map[string]string, given []string) {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if env[name].secret != nil {
			continue
		}
		if values == nil {
			values = make(map[string]string, len(env))
		}
		values[name] = string(env[name].text)
		if r.vars == nil {
			continue
		}
		e := expand(values[name], r.vars.get)
		at := append(slices.Clone(at), name)
		switch {
		case e.broken:
			r.at(at, "has a ${ that begins no reference; write ${NAME} or ${NAME:-default}, or $${ for ${ itself")
		case len(e.missing) > 0 && !r.vars.MayMiss:
			r.at(at, "refers to %s, which is not set; set it for this command, or name a file that has it with --env-file", strings.Join(e.missing, ", "))
		}
		if len(e.names) > 0 {
			given = append(given, name)
			r.manifest.Variables = append(r.manifest.Variables, e.names...)
			r.manifest.Missing = append(r.manifest.Missing, e.missing...)
		}
		values[name] = e.text
	}
	return values, given
}

// secretsOf returns the variables that refer to secrets. The revisions are the server's to
// say.
func secretsOf(env map[string]variable) map[string]teal.SecretRef {
	var refs map[string]teal.SecretRef
	for name, v := range env {
		if v.secret == nil {
			continue
		}
		if refs == nil {
			refs = map[string]teal.SecretRef{}
		}
		refs[name] = teal.SecretRef{Name: v.secret.Secret, File: v.secret.As == "file"}
	}
	return refs
}

// programEnvironment is environment of the command of a check or hook; the names are
// not nil, which would stand for all of them, unless there are no variables.
func (r *reading) programEnvironment(at []string, env map[string]variable) (values map[string]string, given []string) {
	values, given = r.environment(at, env)
	if len(values) > 0 && given == nil {
		given = []string{}
	}
	return values, given
}

// componentEnvironment is environment of a component, over what its env_file
// holds.
func (r *reading) componentEnvironment(component []string, env map[string]variable, file string) (values map[string]string, given []string) {
	values, given = r.environment(append(slices.Clone(component), "env"), env)
	if file == "" || r.vars == nil {
		return values, given
	}
	full := file
	if !filepath.IsAbs(file) {
		full = filepath.Join(r.manifest.Dir, filepath.FromSlash(file))
	}
	held, err := ReadEnvFile(full)
	if err != nil {
		r.at(append(slices.Clone(component), "env_file"), "%s", teal.MessageOf(err))
		return values, given
	}
	for name, value := range held {
		if _, over := env[name]; over {
			continue
		}
		if values == nil {
			values = map[string]string{}
		}
		values[name] = value
		given = append(given, name)
	}
	slices.Sort(given)
	return values, given
}

// ReadEnvFile reads a file of NAME=value lines, as dotenv files have them:
// quotes, comments and export are understood. The errors have
// CodeInvalidManifest and never show a value.
func ReadEnvFile(file string) (map[string]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, teal.Errorf(teal.CodeInvalidManifest, "the file %s cannot be read: %w", file, err)
	}
	data, err := io.ReadAll(io.LimitReader(f, yamltree.MaxSize+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, teal.Errorf(teal.CodeInvalidManifest, "the file %s cannot be read: %w", file, err)
	}
	if len(data) > yamltree.MaxSize {
		return nil, teal.Errorf(teal.CodeInvalidManifest, "the file %s is larger than %d bytes", file, yamltree.MaxSize)
	}
	values, err := godotenv.UnmarshalBytes(data)
	for name := range values {
		if !variableName.MatchString(name) {
			err = errors.Join(err, errors.New("a name is none")) // its parser takes nearly everything
		}
	}
	if err != nil {
		// The parser's own error quotes the line, which may hold a secret.
		return nil, teal.Errorf(teal.CodeInvalidManifest, "the file %s does not look like lines of NAME=value", file)
	}
	return values, nil
}
