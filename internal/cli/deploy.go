package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
	"teal/internal/artifact"
	"teal/internal/client"
	"teal/internal/describe"
	"teal/internal/manifest"
)

// deployed is what deploy writes with --json.
type deployed struct {
	App      string           `json:"app"`
	Version  int              `json:"version"`
	Created  bool             `json:"created"`
	Live     bool             `json:"live"` // the version has all traffic
	Release  *api.ReleaseView `json:"release"`
	Uploaded int64            `json:"uploaded_bytes"`
	Warnings []string         `json:"warnings"`
}

type deployFlags struct {
	strategy  string
	noRelease bool
	wait      string
	maxBundle string
	force     reasonFlag
	unfreeze  reasonFlag
	envFile   string
	refresh   bool
}

func (s *session) deployCommand() *cobra.Command {
	var flags deployFlags
	cmd := &cobra.Command{
		Use:   "deploy [DIR]",
		Short: "Create a version of the app in DIR and release it",
		Long: "Reads DIR/teal.yaml, uploads the code that the server does not have yet, and releases the new\n" +
			"version as the manifest says: hooks, checks, steps. Returns when it has all traffic; the server\n" +
			"goes on monitoring it, and Ctrl-C does not stop the release. When the new version does not\n" +
			"start, fails a check or is worse than the current one, the current one keeps or gets back all\n" +
			"traffic, and the exit code is 1.",
		Args: arguments(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.deploy(cmd.Context(), dirArg(args), &flags)
		},
	}
	cmd.Flags().StringVar(&flags.strategy, "strategy", "", "instead of the manifest's: all-at-once, canary, linear, or a name of CodeDeploy's")
	cmd.Flags().Var(&flags.force, "force", "release although hooks, checks, warm-ups, judges or a missing approval would stop it; not although it is unhealthy, frozen or past its deadline; give a `reason`")
	cmd.Flags().Var(&flags.unfreeze, "override-freeze", "release although the app is frozen; give a `reason`")
	cmd.Flags().BoolVar(&flags.noRelease, "no-release", false, "create and start the version without giving it traffic")
	cmd.Flags().StringVar(&flags.maxBundle, "max-bundle", defaultMaxBundle, "size limit of a code bundle, unpacked; the server has its own")
	cmd.Flags().StringVar(&flags.envFile, "env-file", "", envFileUsage)
	cmd.Flags().BoolVar(&flags.refresh, "refresh-secrets", false, "make a new version with the newest values of the secrets, also when nothing else has changed")
	cmd.Flags().StringVar(&flags.wait, "wait", string(waitLive), "return when the release is live, or when it is completed (monitored to the end)")
	return cmd
}

func dirArg(args []string) string {
	if len(args) == 0 {
		return "."
	}
	return args[0]
}

func (s *session) deploy(ctx context.Context, dir string, flags *deployFlags) error {
	until, err := parseWait(flags.wait)
	if err != nil {
		return err
	}
	var limits artifact.Limits
	if err := limits.Unpacked.UnmarshalText([]byte(flags.maxBundle)); err != nil {
		return teal.Errorf(teal.CodeInvalidInput, "--max-bundle: %w", err)
	}
	vars, err := s.variables(flags.envFile)
	if err != nil {
		return err
	}
	m, bundles, err := readApp(dir, limits, vars)
	if err != nil {
		return err
	}
	if err := flags.override(m); err != nil {
		return err
	}
	spec, policy, err := m.Resolve(digests(bundles))
	if err != nil {
		return err
	}
	if len(m.Variables) > 0 {
		s.say("%s: taken from your environment: %s", spec.App, strings.Join(m.Variables, ", "))
	}
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	d, sent, err := s.ship(ctx, c, bundles, api.DeployBody{
		Spec: spec, Policy: &policy, Release: !flags.noRelease, By: s.by(),
		Force: flags.force.reason(), Unfreeze: flags.unfreeze.reason(), RefreshSecrets: flags.refresh,
	})
	if err != nil {
		return err
	}
	return s.deployed(ctx, d, sent, waitOptions{until: until, ready: policy.ReadyWithin.Std()})
}

// shipTries bounds how often code is sent for one deploy: each further try means that
// the server has removed some in between, because nothing needed it any more.
const shipTries = 3

// ship sends what the server does not have and orders the deploy. It returns how many
// bytes were sent.
func (s *session) ship(ctx context.Context, c *client.Client, bundles map[string]bundle, order api.DeployBody) (d api.DeployView, sent int64, err error) {
	for range shipTries {
		more, failed := s.upload(ctx, c, bundles)
		sent += more
		if failed != nil {
			return d, sent, interruptedUpload(failed)
		}
		d, err = c.Deploy(ctx, order)
		if !teal.IsCode(err, teal.CodeUnknownBundle) {
			return d, sent, interruptedDeploy(err, order.Spec.App)
		}
	}
	return d, sent, err
}

// override takes the strategy of the command line instead of the manifest's.
func (f deployFlags) override(m *manifest.Manifest) error {
	if f.strategy == "" {
		return nil
	}
	if m.Stepped && teal.Strategy(f.strategy) != m.Policy.Strategy {
		return teal.Errorf(teal.CodeInvalidInput, "--strategy %s: the manifest has its own steps; remove the flag or the steps", f.strategy)
	}
	if !m.Stepped {
		m.Policy.Steps = nil
	}
	m.Policy.Strategy = teal.Strategy(f.strategy)
	policy, err := m.Policy.Compiled()
	if err != nil {
		return teal.Errorf(teal.CodeInvalidInput, "--strategy: %w", err)
	}
	m.Policy = policy
	return nil
}

// reasonFlag is a flag that wants a reason: what it overrides is not overridden without
// one.
type reasonFlag struct{ text string }

// String implements pflag.Value.
func (w *reasonFlag) String() string { return w.text }

// Type implements pflag.Value.
func (w *reasonFlag) Type() string { return "reason" }

// Set implements pflag.Value.
func (w *reasonFlag) Set(text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("give a reason, for the record")
	}
	w.text = text
	return nil
}

// reason returns the reason, or nil when there was none.
func (w *reasonFlag) reason() *string {
	if w.text == "" {
		return nil
	}
	return &w.text
}

// waitOptions says what deploy waits for, and for how long.
type waitOptions struct {
	until waitFor
	ready time.Duration // of a version that is not released
}

// deployed tells what became of a deploy and follows its release.
func (s *session) deployed(ctx context.Context, d api.DeployView, sent int64, wait waitOptions) error {
	app, version := d.Version.App, d.Version.Number
	out := deployed{App: app, Version: version, Created: d.Created, Live: d.Live, Release: d.Release, Uploaded: sent, Warnings: append([]string{}, d.Warnings...)}
	switch {
	case d.Live:
		s.say("%s: v%d is already live; nothing to do", app, version)
	case d.Created:
		s.say("%s: created v%d (%s)", app, version, uploaded(sent))
	default:
		s.say("%s: same content as v%d (%s)", app, version, uploaded(sent))
	}
	for _, warning := range d.Warnings {
		s.say("warning: %s", warning)
	}
	if d.Release != nil {
		release, err := s.follow(ctx, *d.Release, wait.until)
		if err != nil {
			return err
		}
		out.Live, out.Release = true, &release
	} else if !d.Live {
		if err := s.awaitPreview(ctx, d.Version, wait.ready); err != nil {
			return err
		}
		s.say("%s: v%d is running without traffic; try it with the header Teal-Version: %d, release it with `teal promote %s`", app, version, version, app)
	}
	if s.json {
		s.out.document(out)
	}
	return nil
}

func uploaded(n int64) string {
	if n == 0 {
		return "code unchanged, nothing uploaded"
	}
	return "uploaded " + describe.Size(n)
}

// interruptedUpload explains an interruption before anything was asked for.
func interruptedUpload(err error) error {
	if errors.Is(err, context.Canceled) {
		return interruptedf("interrupted; nothing has been released")
	}
	return err
}

// interruptedDeploy explains an interruption while the server may have begun.
func interruptedDeploy(err error, app string) error {
	if errors.Is(err, context.Canceled) {
		return interruptedf("interrupted; the server may have started a release: see `teal status %s`", app)
	}
	return err
}

// bundle is the code of one component, check or hook, or of several that share
// it.
type bundle struct {
	components []string // keys of manifest.Manifest.Code
	tree       *artifact.Tree
}

// readApp reads the manifest in dir and the code that it names, by digest.
func readApp(dir string, limits artifact.Limits, vars manifest.Variables) (*manifest.Manifest, map[string]bundle, error) {
	m, err := manifest.Load(dir, vars)
	if err != nil {
		return nil, nil, err
	}
	bundles := map[string]bundle{}
	trees := map[string]*artifact.Tree{} // by place: checks and hooks often share one
	for _, name := range slices.Sorted(maps.Keys(m.Code)) {
		place := filepath.Join(m.Dir, filepath.FromSlash(m.Code[name]))
		tree := trees[place]
		if tree == nil {
			if tree, err = artifact.Scan(place, limits); err != nil {
				return nil, nil, teal.Errorf(teal.CodeOf(err), "the code of %s cannot be deployed: %w", name, err)
			}
			trees[place] = tree
		}
		b := bundles[tree.Digest]
		b.tree, b.components = tree, append(b.components, name)
		bundles[tree.Digest] = b
	}
	return m, bundles, nil
}

// digests returns the digest of each code.
func digests(bundles map[string]bundle) map[string]string {
	all := map[string]string{}
	for digest, b := range bundles {
		for _, component := range b.components {
			all[component] = digest
		}
	}
	return all
}

// upload sends the bundles that the server does not have and returns how many
// bytes that took.
func (s *session) upload(ctx context.Context, c *client.Client, bundles map[string]bundle) (int64, error) {
	var sent int64
	for _, digest := range slices.Sorted(maps.Keys(bundles)) {
		has, err := c.HasBundle(ctx, digest)
		if err != nil {
			return sent, err
		}
		if has {
			continue
		}
		s.sayNotShipped(bundles[digest])
		n, err := s.send(ctx, c, bundles[digest].tree)
		sent += n
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// maxLeftShown is how many names of what stayed behind are shown.
const maxLeftShown = 5

// sayNotShipped tells what of a new bundle's folder stays behind, other than .git.
func (s *session) sayNotShipped(b bundle) {
	left := slices.DeleteFunc(slices.Clone(b.tree.Ignored), func(p string) bool { return path.Base(p) == ".git" })
	if len(left) == 0 {
		return
	}
	shown := strings.Join(left[:min(len(left), maxLeftShown)], ", ")
	if more := len(left) - maxLeftShown; more > 0 {
		shown += fmt.Sprintf(" and %d more", more)
	}
	s.say("%s: not shipped: %s (%s decides)", strings.Join(b.components, ", "), shown, artifact.IgnoreFile)
}

// send packs a bundle and sends it at the same time.
func (s *session) send(ctx context.Context, c *client.Client, tree *artifact.Tree) (int64, error) {
	read, write := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		err := tree.WriteZip(write)
		packed <- err
		_ = write.CloseWithError(err) // never fails
	}()
	quiet := s.json // looked at now: the HTTP client may read on when Run reports
	counter := &counter{Reader: read, report: func(n int64) {
		if !quiet {
			s.out.progress("uploading %s …", describe.Size(n))
		}
	}}
	err := c.PutBundle(ctx, tree.Digest, counter)
	_ = read.Close() // never fails; ends the packing of a bundle that was refused
	if packErr := <-packed; packErr != nil && !errors.Is(packErr, io.ErrClosedPipe) {
		return counter.n.Load(), packErr
	}
	return counter.n.Load(), err
}

// counter counts what is read. The HTTP client may read on for a moment after
// it has returned.
type counter struct {
	io.Reader
	n      atomic.Int64
	report func(n int64)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if n > 0 {
		c.report(c.n.Add(int64(n)))
	}
	return n, err // io.EOF must stay io.EOF
}
