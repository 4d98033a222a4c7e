package cli

import "teal/internal/manifest"

const envFileUsage = "file of NAME=value lines for ${NAME} references in env; variables of the environment take precedence"

// variables returns where references in a manifest find their values: the
// environment of this command, then the file, if one is given.
func (s *session) variables(file string) (manifest.Variables, error) {
	held := map[string]string{}
	if file != "" {
		var err error
		if held, err = manifest.ReadEnvFile(file); err != nil {
			return manifest.Variables{}, err
		}
	}
	return manifest.Variables{Lookup: func(name string) (string, bool) {
		if value := s.env.Getenv(name); value != "" {
			return value, true
		}
		value, set := held[name]
		return value, set
	}}, nil
}
