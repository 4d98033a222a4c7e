package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
	"teal/internal/console"
	"teal/internal/describe"
)

func (s *session) releaseCommand() *cobra.Command {
	var file string
	show := &cobra.Command{
		Use:   "show ID",
		Short: "Show what a release did and why, with its evidence",
		Args:  arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("html") {
				return s.writeRelease(cmd.Context(), args[0], file)
			}
			return s.showRelease(cmd.Context(), args[0])
		},
	}
	show.Flags().StringVar(&file, "html", "", "write it, with charts of what was measured, as one HTML `FILE` that needs nothing else")
	return group("release", "Show one release", show)
}

// maxRecording bounds how much of what was measured is read.
const maxRecording = 256 << 20

// writeRelease writes a release as one document.
func (s *session) writeRelease(ctx context.Context, id, file string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	r, err := c.Release(ctx, id)
	if err != nil {
		return err
	}
	var recording []byte
	if lines, err := c.Intervals(ctx, id); err == nil { // one without is shown without charts
		recording, err = io.ReadAll(io.LimitReader(lines, maxRecording))
		if err := errors.Join(err, lines.Close()); err != nil {
			return err
		}
	}
	var document bytes.Buffer
	if err := console.WriteRelease(&document, r, recording, s.env.Now()); err != nil {
		return err
	}
	if err := os.WriteFile(file, document.Bytes(), 0o644); err != nil { //nolint:gosec // it is made to be passed on
		return teal.Errorf(teal.CodeInvalidInput, "%s cannot be written: %w", file, err)
	}
	s.show(map[string]any{"file": file, "bytes": document.Len()}, func() { s.out.line("wrote %s (%s)", file, describe.Size(int64(document.Len()))) })
	return nil
}

func (s *session) showRelease(ctx context.Context, id string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	r, err := c.Release(ctx, id)
	if err != nil {
		return err
	}
	s.show(r, func() { s.releaseLines(r) })
	return nil
}

// releaseLines tells a release so that somebody who has just been woken up
// understands it: what happened and why, then how, then the evidence, then what
// to do.
func (s *session) releaseLines(r api.ReleaseView) {
	s.out.line("%s", s.out.paint(s.out.bold, describe.Headline(r)))
	if text := describe.Rollback(r); text != "" {
		s.out.line("  %s", text)
	}
	if text := describe.Waiting(r, s.env.Now(), s.clock); text != "" {
		s.out.line("  %s", text)
	}
	moves := fmt.Sprintf("to new (v%d); first release", r.To)
	if r.From != 0 {
		moves = fmt.Sprintf("from current (v%d) to new (v%d)", r.From, r.To)
	}
	s.out.line("  moves     %s of %s %s", r.Alias, r.App, moves)
	s.out.line("  strategy  %s", describe.Strategy(r.Policy))
	s.out.line("  times     ready within %s, monitored for %s, drained within %s", r.Policy.ReadyWithin, r.Policy.Confidence, r.Policy.Drain)
	s.out.line("  by        %s", r.CreatedBy)
	s.out.line("timeline")
	for _, m := range describe.Timeline(r) {
		s.out.line("  %s  %s", s.timestamp(m.At), m.Text)
	}
	if len(r.Evidence) > 0 {
		s.out.line("evidence")
		for _, line := range s.evidenceLines(r.Evidence) {
			s.out.line("  %s", line)
		}
	}
	if steps := describe.NextSteps(r); len(steps) > 0 {
		s.out.line("next")
		for _, step := range steps {
			s.out.line("  %s", step)
		}
	}
}
