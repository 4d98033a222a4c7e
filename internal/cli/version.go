package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// build is what version writes with --json.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"` // of the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (s *session) build() build {
	return build{Version: s.env.Version, Commit: s.env.Commit, Date: s.env.Date, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
}

// String says it in one line.
func (b build) String() string {
	source := ""
	if b.Commit != "" {
		source = fmt.Sprintf(" (commit %s of %s)", b.Commit, b.Date)
	}
	return fmt.Sprintf("teal %s%s %s %s", b.Version, source, b.Platform, b.Go)
}

func (s *session) showVersion() {
	b := s.build()
	s.show(b, func() { s.out.line("%s", b) })
}

func (s *session) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print Teal's version",
		Args:  arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			s.showVersion()
			return nil
		},
	}
}
