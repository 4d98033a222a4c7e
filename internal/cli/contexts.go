package cli

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"teal"
	"teal/internal/atomicfile"
	"teal/internal/client"
	"teal/internal/pinned"
)

// localContext is the name for the server on this machine. It is always there, and is
// what commands go to until somebody logs in elsewhere.
const localContext = "local"

// savedContext is a server that this user has logged in to, and with what.
type savedContext struct {
	Address     string              `json:"address"`
	Fingerprint *pinned.Fingerprint `json:"fingerprint,omitempty"` // nil: an authority vouches for it
	Token       string              `json:"token"`
}

// contexts are the servers that this user has logged in to. The file is the user's alone:
// it holds tokens.
type contexts struct {
	Current string                  `json:"current"` // "" is localContext
	Saved   map[string]savedContext `json:"contexts"`

	file string
}

// contextsFile returns where this user's contexts are kept.
func contextsFile(getenv func(string) string) (string, error) {
	if dir := getenv("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "teal", "contexts.json"), nil
	}
	if home := getenv("HOME"); home != "" {
		return filepath.Join(home, ".config", "teal", "contexts.json"), nil
	}
	return "", teal.Errorf(teal.CodeInvalidInput, "neither XDG_CONFIG_HOME nor HOME is set; set HOME, or TEAL_ADDR and TEAL_TOKEN instead of logging in")
}

// loadContexts reads the file; one that is missing holds none.
func (s *session) loadContexts() (*contexts, error) {
	file, err := contextsFile(s.env.Getenv)
	if err != nil {
		return nil, err
	}
	c := &contexts{file: file, Saved: map[string]savedContext{}}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(data, c)
	}
	if err != nil {
		return nil, teal.Errorf(teal.CodeInvalidInput, "%s, which has the servers that you have logged in to, cannot be read: %w; mend it, or delete it and log in again", file, err)
	}
	if c.Saved == nil {
		c.Saved = map[string]savedContext{}
	}
	return c, nil
}

func (c *contexts) save() error {
	data, err := json.MarshalIndent(c, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(c.file), 0o700)
	}
	if err == nil {
		err = atomicfile.Write(c.file, append(data, '\n'))
	}
	if err != nil {
		return teal.Errorf(teal.CodeInvalidInput, "the login cannot be kept: %w", err)
	}
	return nil
}

// names returns every name of a context, localContext first.
func (c *contexts) names() []string {
	return append([]string{localContext}, slices.Sorted(maps.Keys(c.Saved))...)
}

// get returns a context by its name, which is not localContext.
func (c *contexts) get(name string) (savedContext, error) {
	saved, ok := c.Saved[name]
	if !ok {
		return saved, teal.Errorf(teal.CodeInvalidInput, "there is no context %q; there are %s. `teal login URL --name %s` makes one", name, strings.Join(c.names(), ", "), name)
	}
	return saved, nil
}

// chosen returns the name of the context that commands go to, and who has chosen it. The
// name is "" where variables of the environment say everything.
func (s *session) chosen() (name, by string, err error) {
	if s.context != "" {
		return s.context, "--context", nil
	}
	if name := s.env.Getenv("TEAL_CONTEXT"); name != "" {
		return name, "TEAL_CONTEXT", nil
	}
	for _, variable := range []string{"TEAL_ADDR", "TEAL_TOKEN", "TEAL_DATA"} {
		if s.env.Getenv(variable) != "" {
			return "", variable, nil
		}
	}
	if _, err := contextsFile(s.env.Getenv); err != nil {
		return localContext, "", nil //nolint:nilerr // who has no home has not logged in
	}
	saved, err := s.loadContexts()
	if err != nil {
		return "", "", err
	}
	if saved.Current == "" {
		return localContext, "", nil
	}
	return saved.Current, "teal login", nil
}

// target says which server to talk to, and with what. tokenErr is why there is no token.
func (s *session) target() (cfg client.Config, tokenErr, err error) {
	name, by, err := s.chosen()
	if err != nil {
		return cfg, nil, err
	}
	if name == "" || name == localContext {
		return s.near(name == localContext && by != "")
	}
	saved, err := s.loadContexts()
	if err != nil {
		return cfg, nil, err
	}
	remote, err := saved.get(name)
	if err != nil {
		return cfg, nil, err
	}
	return client.Config{Address: remote.Address, Fingerprint: remote.Fingerprint, Token: remote.Token}, nil, nil
}

// near is the server that the environment names, or the one on this machine. With
// asked, TEAL_ADDR and TEAL_TOKEN are not looked at: somebody wants this machine's.
func (s *session) near(asked bool) (cfg client.Config, tokenErr, err error) {
	if !asked {
		cfg.Address = s.env.Getenv("TEAL_ADDR")
		cfg.Token = strings.TrimSpace(s.env.Getenv("TEAL_TOKEN"))
	}
	if cfg.Address == "" {
		if cfg.Address, cfg.Fingerprint, err = s.localAddress(); err != nil {
			return cfg, nil, err
		}
	} else if pin := s.env.Getenv("TEAL_FINGERPRINT"); pin != "" {
		want, err := pinned.Parse(pin)
		if err != nil {
			return cfg, nil, teal.Errorf(teal.CodeInvalidInput, "TEAL_FINGERPRINT: %w", err)
		}
		cfg.Fingerprint = &want
	}
	if cfg.Token == "" {
		cfg.Token, tokenErr = s.localToken()
	}
	return cfg, tokenErr, nil
}
