package cli

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"teal"
	"teal/internal/client"
	"teal/internal/pinned"
)

// The files with which a server tells the command line on its machine where it
// is.
const (
	tokenFile       = "admin.token"
	addressFile     = "admin.addr"
	certificateFile = "admin.crt"
)

// session is one run of the program.
type session struct {
	env     Env
	json    bool
	context string // of --context, "" where it was not said
	out     *printer
	client  *client.Client // nil until connect
	server  client.Config  // likewise empty
	input   *bufio.Reader  // nil until readLine
}

func newSession(env Env) *session {
	s := &session{env: env}
	s.out = newPrinter(env)
	return s
}

func (s *session) close() {
	if s.client != nil {
		s.client.Close()
	}
}

// connect returns a client of the server that somebody has chosen.
func (s *session) connect(ctx context.Context) (*client.Client, error) {
	cfg, tokenErr, err := s.target()
	if err != nil {
		return nil, err
	}
	s.server = cfg
	s.client, err = client.New(cfg)
	if err != nil {
		return nil, err
	}
	if errors.Is(tokenErr, fs.ErrNotExist) {
		// Without a server there is no token either; that is the better news.
		if err := s.client.Ping(ctx); errors.Is(err, client.ErrUnreachable) {
			return nil, err
		}
	}
	if tokenErr != nil {
		return nil, tokenErr
	}
	return s.client, nil
}

// localAddress returns what the server on this machine wrote down, else "", and the
// fingerprint of its certificate where it speaks TLS.
func (s *session) localAddress() (string, *pinned.Fingerprint, error) {
	data, err := s.serverData()
	if err != nil {
		return "", nil, err
	}
	text, err := os.ReadFile(filepath.Join(data, addressFile))
	if err != nil {
		return "", nil, nil //nolint:nilerr // the default address is tried; the token's error says more
	}
	address := strings.TrimSpace(string(text))
	if !strings.HasPrefix(address, "https://") {
		return address, nil, nil
	}
	pin, err := pinned.OfFile(filepath.Join(data, certificateFile))
	if err != nil {
		return "", nil, teal.Errorf(teal.CodeUnauthorized, "the server's certificate cannot be read: %w; run as the user that runs the server, or log in with `teal login`", err)
	}
	return address, &pin, nil
}

// localToken returns the token that the server on this machine wrote down.
func (s *session) localToken() (string, error) {
	data, err := s.serverData()
	if err != nil {
		return "", err
	}
	file := filepath.Join(data, tokenFile)
	text, err := os.ReadFile(file)
	token := strings.TrimSpace(string(text))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", &teal.Error{Code: teal.CodeUnauthorized, Err: err, Message: "no token: " + file +
			" does not exist; set TEAL_DATA to the server's data directory, or TEAL_TOKEN to its token; to a server on another machine log in with `teal login`"}
	case err != nil:
		return "", teal.Errorf(teal.CodeUnauthorized, "the token cannot be read: %w; run as the user that runs the server, or set TEAL_TOKEN", err)
	case token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", teal.Errorf(teal.CodeUnauthorized, "%s does not hold a token; set TEAL_TOKEN, or delete the file and restart the server", file)
	}
	return token, nil
}

// serverData returns the data directory of the server to talk to: the user's own, else
// that of the machine's service where there is one. It may be closed to this user;
// then reading says so.
func (s *session) serverData() (string, error) {
	data, err := dataDir(s.env.Getenv)
	if s.env.Getenv("TEAL_DATA") != "" || s.env.ServiceData == "" || err == nil && isDir(data) || !isDir(s.env.ServiceData) {
		return data, err
	}
	return s.env.ServiceData, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// dataDir returns TEAL_DATA, else the user's own place for Teal.
func dataDir(getenv func(string) string) (string, error) {
	if dir := getenv("TEAL_DATA"); dir != "" {
		return dir, nil
	}
	if dir := getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "teal"), nil
	}
	if home := getenv("HOME"); home != "" {
		return filepath.Join(home, ".local", "share", "teal"), nil
	}
	return "", teal.Errorf(teal.CodeInvalidInput, "neither TEAL_DATA, XDG_DATA_HOME nor HOME is set; set TEAL_DATA to the server's data directory")
}

// by says who asks, for the server's record: it writes it beside the name of its own
// token, which several people have. "" where that is not known.
func (s *session) by() string {
	for _, user := range []string{s.env.Getenv("USER"), s.env.Getenv("LOGNAME"), s.env.User} {
		if user != "" && len(user) <= 100 {
			return user
		}
	}
	return ""
}

// local returns t in the zone that times are shown in.
func (s *session) local(t time.Time) time.Time { return t.In(s.env.Now().Location()) }

// clock writes a time of today short, another one with its date.
func (s *session) clock(t time.Time) string {
	now, t := s.env.Now(), s.local(t)
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}

// timestamp writes a time in full.
func (s *session) timestamp(t time.Time) string { return s.local(t).Format(time.DateTime) }
