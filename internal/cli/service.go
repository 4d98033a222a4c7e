package cli

import (
	"context"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/systemd/unit"
)

// done is what service install and uninstall write with --json.
type done struct {
	DryRun bool     `json:"dry_run,omitempty"`
	Steps  []string `json:"steps"`
}

func (s *session) serviceCommand() *cobra.Command {
	return group("service", "Install the server as a systemd service, or remove it",
		s.serviceChange("install", "Install the server as a systemd service", "Copies this program to /usr/local/bin, and writes the units, the user teal and\n"+
			"/etc/teal/teal-server.yaml where they are missing. Starts nothing. Not for servers\n"+
			"that a .deb or .rpm has installed.",
			unit.Target.Install, "next: look at /etc/teal/teal-server.yaml, then run: systemctl enable --now teal"),
		s.serviceChange("uninstall", "Remove the systemd service", "Stops the server and removes its units. The program, the settings in /etc/teal, the data\n"+
			"in /var/lib/teal and the user teal stay.",
			unit.Target.Uninstall, "kept: /usr/local/bin/teal, /etc/teal, /var/lib/teal, the user teal"),
	)
}

func (s *session) serviceChange(use, short, long string, plan func(unit.Target) ([]unit.Step, error), last string) *cobra.Command {
	var dryRun bool
	var root string
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.changeService(cmd.Context(), plan, root, dryRun); err != nil {
				return err
			}
			s.say("%s", last)
			return nil
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print what would be done")
	cmd.Flags().StringVar(&root, "root", "/", "folder that holds the system to change, when it is not this one")
	return cmd
}

// changeService carries out a plan, and says each step before it does it.
func (s *session) changeService(ctx context.Context, plan func(unit.Target) ([]unit.Step, error), root string, dryRun bool) error {
	program, err := ownProgram()
	if err != nil {
		return err
	}
	steps, err := plan(unit.Target{Root: filepath.Clean(root), Program: program})
	if err != nil {
		return err
	}
	if !dryRun && root == "/" && os.Geteuid() != 0 {
		return teal.Errorf(teal.CodeInvalidInput, "only root can change the system's services; run it with sudo, or see with --dry-run what it would do")
	}
	result := done{DryRun: dryRun}
	for _, step := range steps {
		result.Steps = append(result.Steps, step.Says)
		s.say("%s", step.Says)
		if dryRun {
			continue
		}
		if err := step.Do(ctx); err != nil {
			return teal.Errorf(teal.CodeInternal, "could not %s: %w", step.Says, err)
		}
	}
	s.show(result, func() {})
	return nil
}

// ownProgram returns the file of this program.
func ownProgram() (string, error) {
	if runtime.GOOS != "linux" {
		return "", teal.Errorf(teal.CodeUnsupported, "services are installed on Linux, for systemd; here, start `teal server` by what starts your other programs")
	}
	path, err := os.Executable()
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return "", teal.Errorf(teal.CodeInternal, "the file of this program cannot be found: %w", err)
	}
	return path, nil
}
