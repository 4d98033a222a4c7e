package cli

import (
	"bufio"
	"cmp"
	"context"
	"io"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"teal"
	"teal/internal/api"
	"teal/internal/client"
	"teal/internal/pinned"
)

type loginFlags struct{ name, fingerprint string }

func (s *session) loginCommand() *cobra.Command {
	var flags loginFlags
	cmd := &cobra.Command{
		Use:   "login URL",
		Short: "Keep a server's address, certificate and a token, and talk to it from now on",
		Long: "Asks for a token, or reads it from the standard input, tries it, and keeps it with the server's\n" +
			"address in ~/.config/teal/contexts.json, which is yours alone. Commands go to that server then;\n" +
			"`teal context use local` goes back to the one on this machine.\n\n" +
			"A server with a certificate of its own is known by its fingerprint, which it logs when it\n" +
			"starts and `teal token create` shows. Without --fingerprint you are asked whether it is the\n" +
			"right one.",
		Example: "  teal login https://teal.example.com:8081 --fingerprint sha256:5f0c… < token",
		Args:    arguments(1, 1),
		RunE:    func(cmd *cobra.Command, args []string) error { return s.login(cmd.Context(), args[0], flags) },
	}
	cmd.Flags().StringVar(&flags.name, "name", "", "what to call the server (default its host)")
	cmd.Flags().StringVar(&flags.fingerprint, "fingerprint", "", "of the server's certificate; left out: an authority vouches for it, or you are asked")
	return cmd
}

func (s *session) login(ctx context.Context, address string, flags loginFlags) error {
	name, err := contextName(address, flags.name)
	if err != nil {
		return err
	}
	saved, err := s.loadContexts()
	if err != nil {
		return err
	}
	remote := savedContext{Address: address}
	if flags.fingerprint != "" {
		pin, err := pinned.Parse(flags.fingerprint)
		if err != nil {
			return err
		}
		remote.Fingerprint = &pin
	}
	if err := s.trust(ctx, &remote); err != nil {
		return err
	}
	if remote.Token, err = s.askToken(); err != nil {
		return err
	}
	who, err := remote.whoAmI(ctx)
	if err != nil {
		return err
	}
	saved.Saved[name], saved.Current = remote, name
	if err := saved.save(); err != nil {
		return err
	}
	s.show(loggedIn{Context: name, Address: address, WhoAmI: who}, func() {
		s.out.line("logged in to %s as %s (%s%s); commands go to %s now", address, who.Name, who.Role, onlyFor(who.Apps), name)
		s.out.line("`teal context use %s` goes back to the server on this machine", localContext)
	})
	return nil
}

// loggedIn is what `teal login` says.
type loggedIn struct {
	Context string `json:"context"`
	Address string `json:"address"`
	api.WhoAmI
}

// contextPattern is what a context may be called.
var contextPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// contextName returns what the server at an address is to be called. A token is sent
// over TLS, or to this machine.
func contextName(address, name string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil || u.RawQuery != "" || strings.Trim(u.Path, "/") != "" {
		return "", teal.Errorf(teal.CodeInvalidInput, "%q is not the address of a server; write one such as https://teal.example.com:8081", address)
	}
	if u.Scheme == "http" && !isLoopback(net.JoinHostPort(u.Hostname(), "0")) {
		return "", teal.Errorf(teal.CodeInvalidInput, "%s is not encrypted: anyone on the way could read the token; write https:// (a server with --admin on an address that other machines reach speaks TLS)", address)
	}
	if name == "" {
		name = strings.Trim(strings.ReplaceAll(u.Hostname(), ":", "-"), "-")
	}
	if name == localContext || !contextPattern.MatchString(name) {
		return "", teal.Errorf(teal.CodeInvalidInput, "%q cannot be a context's name; choose another with --name: letters, digits, dots, hyphens and underscores", name)
	}
	return name, nil
}

// trust finds out whether the server is who it should be. Where no authority vouches
// for it and nothing was said about its certificate, somebody is asked.
func (s *session) trust(ctx context.Context, remote *savedContext) error {
	c, err := client.New(client.Config{Address: remote.Address, Fingerprint: remote.Fingerprint})
	if err != nil {
		return err
	}
	defer c.Close()
	err = c.Ping(ctx)
	shown, unknown := client.Shown(err)
	switch {
	case err == nil || !unknown || remote.Fingerprint != nil:
		return err
	case !s.env.Asks || s.json:
		return teal.Errorf(teal.CodeUntrustedServer, "no authority that this machine trusts vouches for %s; compare its fingerprint with the one that the server logs when it starts, and say --fingerprint %s", remote.Address, shown)
	}
	s.out.line("No authority that this machine trusts vouches for %s. Its certificate has the fingerprint", remote.Address)
	s.out.line("  %s", shown)
	s.out.write("Is that what the server logs when it starts (admin_fingerprint)? [y/N] ", false)
	if answer := strings.ToLower(s.readLine()); answer != "y" && answer != "yes" {
		return teal.Errorf(teal.CodeUntrustedServer, "not logged in; nothing was sent to %s", remote.Address)
	}
	remote.Fingerprint = &shown
	return nil
}

func (remote savedContext) whoAmI(ctx context.Context) (api.WhoAmI, error) {
	c, err := client.New(client.Config{Address: remote.Address, Fingerprint: remote.Fingerprint, Token: remote.Token})
	if err != nil {
		return api.WhoAmI{}, err
	}
	defer c.Close()
	who, err := c.WhoAmI(ctx)
	if teal.IsCode(err, teal.CodeUnauthorized) {
		return who, teal.Errorf(teal.CodeUnauthorized, "%s does not accept this token; ask an admin for one (teal token create)", remote.Address)
	}
	return who, err
}

// maxToken bounds what is read as a token.
const maxToken = 4 << 10

// askToken returns the token that somebody types, unseen, or that is piped in.
func (s *session) askToken() (string, error) {
	token := ""
	if terminal, ok := s.env.Stdin.(*os.File); ok && s.env.Asks {
		s.out.write("Token: ", false)
		typed, err := term.ReadPassword(int(terminal.Fd()))
		s.out.line("")
		if err != nil {
			return "", teal.Errorf(teal.CodeInvalidInput, "the token cannot be read: %w", err)
		}
		token = string(typed)
	} else {
		token = s.readLine()
	}
	token = strings.TrimSpace(token)
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", teal.Errorf(teal.CodeUnauthorized, "no token: pass one on the standard input, such as `teal login URL < FILE`; an admin makes one with `teal token create NAME --role ROLE`")
	}
	return token, nil
}

// readLine returns the next line of the standard input, and takes no more of it.
func (s *session) readLine() string {
	if s.input == nil {
		s.input = bufio.NewReader(io.LimitReader(s.env.Stdin, 4*maxToken))
	}
	line, _ := s.input.ReadString('\n') // an end is an empty line
	return strings.TrimSpace(line)
}

func (s *session) contextCommand() *cobra.Command {
	return group("context", "List the servers that you have logged in to, and choose one",
		&cobra.Command{
			Use: "list", Short: "List them; the current one has a star", Args: arguments(0, 0),
			RunE: func(*cobra.Command, []string) error { return s.contextList() },
		},
		&cobra.Command{
			Use: "use NAME", Short: "Have commands go to another server; local is the one on this machine", Args: arguments(1, 1),
			RunE: func(_ *cobra.Command, args []string) error { return s.contextUse(args[0]) },
		},
		&cobra.Command{
			Use: "rm NAME", Short: "Forget a server and the token for it", Args: arguments(1, 1),
			RunE: func(_ *cobra.Command, args []string) error { return s.contextRemove(args[0]) },
		})
}

// contextView is a context as `teal context list` shows it: without its token.
type contextView struct {
	Name        string              `json:"name"`
	Address     string              `json:"address,omitempty"`
	Fingerprint *pinned.Fingerprint `json:"fingerprint,omitempty"`
	Current     bool                `json:"current,omitempty"`
}

func (s *session) contextList() error {
	saved, err := s.loadContexts()
	if err != nil {
		return err
	}
	current, by, err := s.chosen()
	if err != nil {
		return err
	}
	views := []contextView{}
	rows := [][]string{{"", "NAME", "ADDRESS", "CERTIFICATE"}}
	for _, name := range saved.names() {
		c := saved.Saved[name]
		view := contextView{Name: name, Address: c.Address, Fingerprint: c.Fingerprint, Current: name == current}
		views = append(views, view)
		rows = append(rows, []string{map[bool]string{true: "*"}[view.Current], name, cmp.Or(c.Address, "this machine"), certificateText(c)})
	}
	s.show(map[string]any{"contexts": views}, func() {
		s.out.table(rows)
		if current == "" {
			s.out.line("%s says where commands go", by)
		}
	})
	return nil
}

func certificateText(c savedContext) string {
	switch {
	case c.Fingerprint != nil:
		return c.Fingerprint.String()
	case strings.HasPrefix(c.Address, "https://"):
		return "of an authority"
	}
	return ""
}

func (s *session) contextUse(name string) error {
	saved, err := s.loadContexts()
	if err != nil {
		return err
	}
	saved.Current = ""
	if name != localContext {
		if _, err := saved.get(name); err != nil {
			return err
		}
		saved.Current = name
	}
	if err := saved.save(); err != nil {
		return err
	}
	s.show(map[string]string{"current": name}, func() {
		s.out.line("commands go to %s now", name)
		if chosen, by, err := s.chosen(); err == nil && chosen != name {
			s.out.line("but not in this shell: %s is set and comes first", by)
		}
	})
	return nil
}

func (s *session) contextRemove(name string) error {
	saved, err := s.loadContexts()
	if err != nil {
		return err
	}
	if _, err := saved.get(name); err != nil {
		return err
	}
	delete(saved.Saved, name)
	if saved.Current == name {
		saved.Current = ""
	}
	if err := saved.save(); err != nil {
		return err
	}
	s.show(map[string]string{"removed": name}, func() {
		s.out.line("%s is forgotten here; its token is good until it is revoked (teal token revoke)", name)
	})
	return nil
}
