package cli

import (
	"runtime"

	"github.com/spf13/cobra"
)

// build is what version writes with --json.
type build struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (s *session) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print Teal's version",
		Args:  arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			b := build{Version: s.env.Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
			s.show(b, func() { s.out.line("teal %s %s %s", b.Version, b.Platform, b.Go) })
			return nil
		},
	}
}
