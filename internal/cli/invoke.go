package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
	"teal/internal/client"
)

func (s *session) invokeCommand() *cobra.Command {
	var component, data string
	cmd := &cobra.Command{
		Use:   "invoke APP[:ALIAS|VERSION]",
		Short: "Call a function and print its answer",
		Long: "Calls a function of the live version, or of the alias or version given, and prints its raw\n" +
			"answer. Where nothing is live, as of functions that AWS's tools have made, $LATEST is called.\n" +
			"Exits with 1 when the function fails.",
		Example: "  teal invoke shop:2 --component hello --data '{\"n\": 1}'\n  teal invoke shop --data @event.json",
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			event, err := s.event(data)
			if err != nil {
				return err
			}
			app, qualifier, _ := strings.Cut(args[0], ":")
			return s.invoke(cmd.Context(), api.Invoke{App: app, Qualifier: qualifier, Component: component, Event: event})
		},
	}
	cmd.Flags().StringVar(&component, "component", "", "which function, if the app has more than one")
	cmd.Flags().StringVar(&data, "data", "{}", "the event: JSON, @FILE, or - for the standard input")
	return cmd
}

// event reads the event that --data names. It reads one byte more than is
// allowed, so that what is too large is refused and not cut.
func (s *session) event(data string) ([]byte, error) {
	event := []byte(data)
	name, isFile := strings.CutPrefix(data, "@")
	var err error
	switch {
	case data == "-":
		event, err = io.ReadAll(io.LimitReader(s.env.Stdin, int64(teal.MaxPayload)+1))
	case isFile:
		event, err = readEvent(name)
	}
	if err != nil {
		return nil, teal.Errorf(teal.CodeInvalidInput, "the event cannot be read: %w", err)
	}
	if len(event) > int(teal.MaxPayload) {
		return nil, teal.Errorf(teal.CodeTooLarge, "the event is larger than %s, the most that a function takes", teal.MaxPayload)
	}
	if !json.Valid(event) {
		return nil, teal.Errorf(teal.CodeInvalidInput, "the event is not JSON; write --data '{\"key\": \"value\"}', --data @FILE or --data -")
	}
	return event, nil
}

func readEvent(name string) (event []byte, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err // names the file itself
	}
	defer func() { _ = file.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(file, int64(teal.MaxPayload)+1))
}

// invoked is what invoke writes with --json.
type invoked struct {
	Version       teal.VersionRef `json:"version"`
	RequestID     string          `json:"request_id"`
	FunctionError string          `json:"function_error,omitempty"`
	Payload       json.RawMessage `json:"payload"`
}

func (s *session) invoke(ctx context.Context, call api.Invoke) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	answer, err := c.Invoke(ctx, call)
	if err != nil {
		return err
	}
	s.show(invokedDocument(answer), func() {
		s.out.write(strings.TrimRight(string(answer.Payload), "\n")+"\n", false)
	})
	if answer.FunctionError == "" {
		return nil
	}
	if !s.json {
		if _, err := fmt.Fprintf(s.env.Stderr, "teal: the function failed (%s) in %s, request %s; see `teal logs %s --request %s`\n",
			answer.FunctionError, teal.VersionName(answer.Version), answer.RequestID, call.App, answer.RequestID); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	return errReported
}

func invokedDocument(answer client.Invoked) invoked {
	payload := bytes.TrimSpace(answer.Payload)
	if len(payload) == 0 {
		payload = []byte("null")
	}
	return invoked{Version: answer.Version, RequestID: answer.RequestID, FunctionError: answer.FunctionError, Payload: payload}
}
