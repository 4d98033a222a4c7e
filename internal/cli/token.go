package cli

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
)

func (s *session) tokenCommand() *cobra.Command {
	return group("token", "Create, list and revoke the tokens of people and programs", s.tokenCreateCommand(), s.tokenListCommand(), s.tokenRevokeCommand())
}

func (s *session) tokenCreateCommand() *cobra.Command {
	var role, expires string
	body := api.TokenBody{}
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a token and show it, once",
		Long: "Creates a token for a person or a program. It is shown once; the server keeps its hash.\n" +
			"Orders are recorded under its name.\n\n" +
			"Roles: viewer looks. operator also pauses, resumes, approves, aborts and rolls back releases,\n" +
			"and freezes, stops and starts apps. deployer also deploys, promotes, sets aliases, calls\n" +
			"functions and deletes apps. admin may do everything. With --app, which can be repeated, the token is for those apps alone.",
		Example: "  teal token create ci --role deployer --app shop --expires 90d",
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if role == "" {
				return usagef(cmd, "--role is missing: viewer, operator, deployer or admin")
			}
			body.Name, body.Role = args[0], teal.TokenRole(role)
			if cmd.Flags().Changed("expires") {
				life, err := parseLife(expires)
				if err != nil {
					return usagef(cmd, "--expires: %v", err)
				}
				at := s.env.Now().Add(life).UTC().Truncate(time.Second)
				body.ExpiresAt = &at
			}
			if err := (teal.Token{Name: body.Name, Role: body.Role, Apps: body.Apps}).Validate(); err != nil {
				return err
			}
			return s.tokenCreate(cmd.Context(), body)
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "viewer, operator, deployer or admin")
	cmd.Flags().StringArrayVar(&body.Apps, "app", nil, "only for this app; can be repeated")
	cmd.Flags().StringVar(&expires, "expires", "", "how long the token is good for, such as 90d or 12h; left out: until it is revoked")
	cmd.Flags().BoolVar(&body.AccessKey, "access-key", false, "make an access key for AWS's tools of it, too")
	return cmd
}

// maxLife bounds how long a token is good for.
const maxLife = 3650 * 24 * time.Hour

// parseLife reads how long a token is good for.
func parseLife(text string) (time.Duration, error) {
	if life, err := teal.ParseDuration(text); err == nil && life > 0 && life <= maxLife {
		return life, nil
	}
	return 0, fmt.Errorf("%q is not how long a token is good for, such as 90d or 12h, at most 3650d", text)
}

func (s *session) tokenCreate(ctx context.Context, body api.TokenBody) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	made, err := c.CreateToken(ctx, body)
	if err != nil {
		return err
	}
	login := s.loginHint()
	s.show(made, func() {
		s.out.line("%s: %s%s, %s; this is shown once:", made.Name, made.Role, onlyFor(made.Apps), s.untilText(made.TokenView))
		s.out.line("")
		s.out.line("  TEAL_TOKEN=%s", made.Token)
		if made.AccessKeyID != "" {
			s.out.line("  AWS_ACCESS_KEY_ID=%s", made.AccessKeyID)
			s.out.line("  AWS_SECRET_ACCESS_KEY=%s", made.SecretAccessKey)
		}
		if login != "" {
			s.out.line("")
			s.out.line("With it, on another machine: %s", login)
		}
	})
	return nil
}

// loginHint is how another machine gets to the server that this one talks to, "" where it
// speaks no TLS.
func (s *session) loginHint() string {
	u, err := url.Parse(s.server.Address)
	if err != nil || u.Scheme != "https" {
		return ""
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && (ip.IsUnspecified() || ip.IsLoopback()) {
		u.Host = net.JoinHostPort("HOST", u.Port())
	}
	hint := "teal login " + u.String()
	if pin := s.server.Fingerprint; pin != nil {
		hint += " --fingerprint " + pin.String()
	}
	return hint
}

func onlyFor(apps []string) string {
	if len(apps) == 0 {
		return ""
	}
	return " of " + strings.Join(apps, ", ")
}

// untilText says until when a token is good.
func (s *session) untilText(t api.TokenView) string {
	switch {
	case t.ExpiresAt == nil:
		return "until it is revoked"
	case t.Expired:
		return "expired " + s.timestamp(*t.ExpiresAt)
	}
	return "until " + s.timestamp(*t.ExpiresAt)
}

func (s *session) tokenListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the tokens and what they may do",
		Args:  arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.tokenList(cmd.Context())
		},
	}
}

func (s *session) tokenList(ctx context.Context) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	tokens, err := c.Tokens(ctx)
	if err != nil {
		return err
	}
	s.show(api.TokenList{Tokens: tokens}, func() {
		if len(tokens) == 0 {
			s.out.line("no tokens but the server's own, DATA/admin.token")
			return
		}
		rows := [][]string{{"NAME", "ROLE", "APPS", "GOOD", "CREATED", "BY", "ACCESS KEY"}}
		for _, t := range tokens {
			rows = append(rows, []string{t.Name, string(t.Role), appsText(t), s.untilText(t), s.timestamp(t.CreatedAt), t.CreatedBy, t.AccessKeyID})
		}
		s.out.table(rows)
	})
	return nil
}

// appsText says what a token is good for.
func appsText(t api.TokenView) string {
	if len(t.Apps) == 0 {
		return "every app"
	}
	return strings.Join(t.Apps, ", ")
}

func (s *session) tokenRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NAME",
		Short: "Revoke a token at once",
		Args:  arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.tokenRevoke(cmd.Context(), args[0])
		},
	}
}

func (s *session) tokenRevoke(ctx context.Context, name string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	if err := c.RevokeToken(ctx, name); err != nil {
		return err
	}
	s.show(map[string]string{"revoked": name}, func() { s.out.line("%s is revoked; nothing accepts it any more", name) })
	return nil
}
