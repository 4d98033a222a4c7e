// Package manifest reads teal.yaml, the file in which users describe an app.
//
// It is strict: an unknown key, a wrong type or a reference to nothing is an
// error. All errors of a file are reported at once, each with its line and
// column, what is wrong and what was expected. What an app may ask for is
// decided by teal.Spec.Check and teal.Policy.Check alone; this package finds the place in the file.
//
// Two things are lenient because users expect them to be. Values under env and
// the arguments of a command may be written as numbers or true and false: their
// source text is taken, so 8080 is "8080" and 1.10 stays "1.10". Anchors, aliases
// and merge keys work as in YAML 1.1, within bounds.
package manifest

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"teal"
	"teal/internal/cron"
	"teal/internal/yamltree"
)

// Manifest is a teal.yaml that has been read and checked.
type Manifest struct {
	// Spec has every default filled in, and Policy the steps that its strategy
	// stands for. The Code of functions, services, checks and hooks is empty;
	// Resolve fills it in.
	Spec   teal.Spec
	Policy teal.Policy
	// Stepped says that the steps of the policy are the manifest's own, not those
	// of a strategy's name.
	Stepped bool
	// Code maps each function and service, the files of each static component, each
	// layer, and each check and hook that is a command, to its code: a folder or a .zip
	// file, relative to Dir. A component has its name as key, a layer that of its
	// function with its place, and a check and a hook that of its task:
	// "layer/hello/0", "check/smoke", "check/1/smoke", "hook/AfterInstall/migrate".
	Code map[string]string
	// Dir is the folder that the file is in.
	Dir string
	// Variables are the names of the variables of whoever deploys that the file
	// refers to, sorted; Missing are those of them that are not set and have no
	// default.
	Variables, Missing []string
}

// FileName is the name under which Load looks for a manifest. The ending .yml is
// accepted too.
const FileName = "teal.yaml"

// Load reads the manifest at location, a folder with a teal.yaml or the file
// itself, and checks that the code it names is there. Where an env refers to
// ${NAME}, the value comes from vars. What is wrong with the content is returned
// as Errors.
func Load(location string, vars Variables) (*Manifest, error) {
	file, err := find(location)
	if err != nil {
		return nil, err
	}
	data, err := read(file)
	if err != nil {
		return nil, err
	}
	r := parse(file, data, &vars)
	r.checkCode()
	return r.result()
}

// LoadPolicy reads only how to release from the manifest at location: the code
// that it names need not be there.
func LoadPolicy(location string) (teal.Policy, error) {
	file, err := find(location)
	if err != nil {
		return teal.Policy{}, err
	}
	data, err := read(file)
	if err != nil {
		return teal.Policy{}, err
	}
	m, err := Parse(file, data)
	if err != nil {
		return teal.Policy{}, err
	}
	return m.Policy, nil
}

// Parse reads a manifest from data without looking at the disk or at variables:
// the code that it names is not checked, references stay as they are written. The name of the file is used in errors and for Dir.
func Parse(file string, data []byte) (*Manifest, error) {
	return parse(file, data, nil).result()
}

// Resolve returns the final spec and policy, given the digest of each code.
func (m *Manifest) Resolve(digests map[string]string) (teal.Spec, teal.Policy, error) {
	for name := range m.Code {
		if digests[name] == "" {
			return teal.Spec{}, teal.Policy{}, teal.Errorf(teal.CodeInvalidInput, "the code of %s has no digest; upload %s first", name, m.Code[name])
		}
	}
	digest := func(name string) string { return digests[name] }
	spec, policy := withCode(m.Spec, digest), policyWithCode(m.Policy, digest)
	if err := spec.Validate(); err != nil {
		return teal.Spec{}, teal.Policy{}, err
	}
	if err := policy.ValidateFor(spec, cron.Check); err != nil {
		return teal.Spec{}, teal.Policy{}, err
	}
	return spec, policy, nil
}

// withCode returns a copy of spec whose components have the code that digest
// names.
func withCode(spec teal.Spec, digest func(component string) string) teal.Spec {
	spec.Components = maps.Clone(spec.Components)
	for name, c := range spec.Components {
		c = c.WithCode(digest(name))
		if c.Function != nil {
			c.Function.Layers = slices.Clone(c.Function.Layers)
			for i := range c.Function.Layers {
				c.Function.Layers[i] = digest(layerKey(name, i))
			}
		}
		spec.Components[name] = c
	}
	return spec
}

// find returns the path of the manifest at location.
func find(location string) (string, error) {
	info, err := os.Stat(location)
	if errors.Is(err, fs.ErrNotExist) {
		return "", teal.Errorf(teal.CodeInvalidManifest, "%s does not exist; give the folder of an app, or write a new one with `teal init`", location)
	}
	if err != nil {
		return "", teal.Errorf(teal.CodeInvalidManifest, "%s cannot be read: %w", location, err)
	}
	if !info.IsDir() {
		return location, nil
	}
	long := filepath.Join(location, FileName)
	short := filepath.Join(location, "teal.yml")
	hasLong, hasShort := exists(long), exists(short)
	switch {
	case hasLong && hasShort:
		return "", teal.Errorf(teal.CodeInvalidManifest, "%s has both teal.yaml and teal.yml; keep one of them", location)
	case hasLong:
		return long, nil
	case hasShort:
		return short, nil
	}
	return "", teal.Errorf(teal.CodeInvalidManifest, "%s has no teal.yaml; write one with `teal init`", location)
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func read(file string) ([]byte, error) {
	if !strings.HasSuffix(file, ".yaml") && !strings.HasSuffix(file, ".yml") {
		return nil, teal.Errorf(teal.CodeInvalidManifest, "%s is not a manifest; expected a folder or a .yaml file", file)
	}
	return readRegular(file)
}

// readRegular returns what is in a file, one byte too much where it is too large.
func readRegular(file string) (data []byte, err error) {
	info, err := os.Stat(file)
	if err == nil && !info.Mode().IsRegular() {
		return nil, teal.Errorf(teal.CodeInvalidManifest, "%s is not a regular file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, teal.Errorf(teal.CodeInvalidManifest, "%s cannot be read: %w", file, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err = io.ReadAll(io.LimitReader(f, yamltree.MaxSize+1))
	if err != nil {
		return nil, teal.Errorf(teal.CodeInvalidManifest, "%s cannot be read: %w", file, err)
	}
	return data, nil
}
