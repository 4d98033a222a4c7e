package cli

import (
	"context"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
)

func (s *session) secretCommand() *cobra.Command {
	return group("secret", "Set, list and remove the secrets of apps", s.secretSetCommand(), s.secretListCommand(), s.secretRemoveCommand())
}

func (s *session) secretSetCommand() *cobra.Command {
	var file string
	var expect int
	cmd := &cobra.Command{
		Use:   "set APP NAME",
		Short: "Give a secret a value, from the standard input or a file",
		Long: "Reads the value from the standard input, or from --file, byte for byte: a newline at its end is\n" +
			"a part of it, so use printf rather than echo. Nobody can read it again. teal.yaml refers to it:\n\n" +
			"  env: {DATABASE_URL: {secret: database-url}}\n\n" +
			"Versions keep the value that they were deployed with: teal deploy --refresh-secrets makes a new\n" +
			"one with the newest.",
		Example: "  printf %s \"$URL\" | teal secret set shop database-url\n  teal secret set shop tls-key --file key.pem",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 2 { // which is not repeated: it may be the value
				return usagef(cmd, "the value is no argument, where it would stand in the shell's history and in the list of processes; send it on the standard input, or name a file with --file")
			}
			return arguments(2, 2)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			order := api.SetSecret{App: args[0], Name: args[1], By: s.by()}
			if cmd.Flags().Changed("revision") {
				order.Expect = &expect
			}
			return s.secretSet(cmd.Context(), order, file)
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "read the value from this file")
	cmd.Flags().IntVar(&expect, "revision", 0, "only if this is still its newest revision; 0: if there is none of this name")
	return cmd
}

func (s *session) secretSet(ctx context.Context, order api.SetSecret, file string) (err error) {
	for sort, name := range map[string]string{"app": order.App, "secret": order.Name} {
		if err := teal.CheckName(sort, name); err != nil {
			return err
		}
	}
	if order.Value, err = s.secretValue(file); err != nil {
		return err
	}
	if err := teal.CheckSecretValue(order.Value); err != nil {
		return err
	}
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	stored, err := c.SetSecret(ctx, order)
	if err != nil {
		return interruptedRequest(err, "secret set", order.App)
	}
	s.show(stored, func() {
		if !stored.Created {
			s.out.line("%s: %s has this value already, since revision %d", order.App, order.Name, stored.Revision)
			return
		}
		s.out.line("%s: set %s, revision %d", order.App, order.Name, stored.Revision)
		if len(stored.UsedBy) > 0 {
			s.out.line("what runs keeps the value it was deployed with; `teal deploy --refresh-secrets` makes a version with this one")
		}
	})
	return nil
}

// secretValue reads a value. A person who types it is told how to end it; what they type
// is seen, which is what --file is for.
func (s *session) secretValue(file string) ([]byte, error) {
	from := s.env.Stdin
	if file != "" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, teal.Errorf(teal.CodeInvalidInput, "--file: %w", err)
		}
		defer func() { _ = opened.Close() }() // it was only read
		from = opened
	} else if s.env.Asks {
		s.say("type the value, and end it with Ctrl-D:")
	}
	value, err := io.ReadAll(io.LimitReader(from, int64(teal.MaxSecret)+1))
	if err != nil {
		return nil, teal.Errorf(teal.CodeInvalidInput, "the value cannot be read: %w", err)
	}
	return value, nil
}

func (s *session) secretListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list APP",
		Short: "List the secrets of an app and what refers to them, without their values",
		Args:  arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.secretList(cmd.Context(), args[0])
		},
	}
}

func (s *session) secretList(ctx context.Context, app string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	secrets, err := c.Secrets(ctx, app)
	if err != nil {
		return err
	}
	if secrets == nil {
		secrets = []api.SecretView{}
	}
	s.show(api.SecretList{Secrets: secrets}, func() {
		if len(secrets) == 0 {
			s.out.line("%s has no secrets; `teal secret set %s NAME` sets one", app, app)
			return
		}
		rows := [][]string{{"SECRET", "REVISION", "SET", "BY", "USED BY"}}
		for _, v := range secrets {
			rows = append(rows, []string{v.Name, strconv.Itoa(v.Revision), s.timestamp(v.SetAt), v.SetBy, strings.Join(v.UsedBy, ", ")})
		}
		s.out.table(rows)
	})
	return nil
}

func (s *session) secretRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rm APP NAME",
		Short: "Remove a secret that nothing refers to",
		Args:  arguments(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.secretRemove(cmd.Context(), args[0], args[1])
		},
	}
}

func (s *session) secretRemove(ctx context.Context, app, name string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	if err := c.RemoveSecret(ctx, app, name, s.by()); err != nil {
		return interruptedRequest(err, "secret rm", app)
	}
	s.show(map[string]string{"removed": name}, func() { s.out.line("%s: removed %s", app, name) })
	return nil
}
