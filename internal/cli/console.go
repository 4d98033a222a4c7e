package cli

import (
	"context"
	"net"
	"net/netip"
	"net/url"

	"github.com/spf13/cobra"
)

func (s *session) consoleCommand() *cobra.Command {
	var show bool
	cmd := &cobra.Command{
		Use:   "console",
		Short: "Open the server's console in a browser, signed in",
		Long: "Asks the server for an address that lets a browser in once, within a minute, as the token that\n" +
			"the commands use, and opens it. Without a terminal, or with --show, the address is only shown.",
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return s.openConsole(cmd.Context(), show) },
	}
	cmd.Flags().BoolVar(&show, "show", false, "show the address and open nothing")
	return cmd
}

func (s *session) openConsole(ctx context.Context, show bool) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	code, err := c.ConsoleCode(ctx)
	if err != nil {
		return err
	}
	address := reachable(c.Address()) + code.Path
	s.show(map[string]string{"address": address}, func() {
		s.out.line("%s", address)
		s.out.line("opens the console once, within a minute")
	})
	if !show && s.env.Asks && !s.json && s.env.Open != nil {
		if err := s.env.Open(address); err != nil { // the address is there to be used by hand
			s.out.line("no browser could be opened here: %v", err)
		}
	}
	return nil
}

// reachable returns an address that a browser can open: a server that listens everywhere
// writes down no host.
func reachable(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.IsUnspecified() {
		u.Host = net.JoinHostPort("localhost", u.Port())
	}
	return u.String()
}
