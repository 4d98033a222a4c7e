package cli

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"teal"
)

type serverFlags struct {
	config                   string // file
	check                    bool
	data, http, admin, level string
	adminTLS, adminInsecure  bool
	adminHost                string
	secretsKey               string
	override, trusted        []string
	maxBundle                string
	edge                     edgeFlags
	aws                      AWSOptions
}

func (s *session) serverCommand() *cobra.Command {
	var flags serverFlags
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Run a server: gateway, runtime and release controller in one process",
		Long: "Runs until SIGINT or SIGTERM, then finishes the requests in flight. Writes the token of the\n" +
			"admin API to DATA/admin.token, where the other commands find it, and the key for function URLs\n" +
			"with AWS_IAM, which is good for nothing else, to DATA/url.key.",
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := applyFile(cmd.Flags(), flags.config)
			if err != nil {
				return err
			}
			options, err := s.serveOptions(flags, from)
			if err != nil {
				return err
			}
			return s.serve(cmd.Context(), options)
		},
	}
	cmd.Flags().StringVar(&flags.config, "config", "", "file with settings, such as /etc/teal/teal-server.yaml; flags override it (docs/operations.md)")
	cmd.Flags().BoolVar(&flags.check, "check", false, "only check the flags, the file of --config and the certificates that they name")
	cmd.Flags().StringVar(&flags.data, "data", "", "data directory (default TEAL_DATA, $XDG_DATA_HOME/teal or ~/.local/share/teal)")
	cmd.Flags().StringVar(&flags.http, "http", ":8080", "address of the gateway")
	cmd.Flags().StringVar(&flags.admin, "admin", "127.0.0.1:8081", "address of the admin API; one that other machines reach has it speak TLS")
	cmd.Flags().BoolVar(&flags.adminTLS, "admin-tls", false, "have the admin API speak TLS on a loopback address, too")
	cmd.Flags().StringVar(&flags.adminHost, "admin-host", "", "name of the admin API, for which --tls auto gets a certificate; without one, clients know the server by its fingerprint")
	cmd.Flags().BoolVar(&flags.adminInsecure, "admin-insecure", false, "have the admin API speak plain HTTP on an address that other machines reach: tokens and code cross the network unencrypted")
	cmd.Flags().StringVar(&flags.secretsKey, "secrets-key-command", "", "shell `command` that prints the key of secrets, as age-keygen writes it (default: the key is in DATA/secrets.key)")
	cmd.Flags().StringSliceVar(&flags.override, "override-from", []string{"127.0.0.0/8", "::1/128"}, "networks that may choose a version with the Teal-Version header")
	cmd.Flags().StringSliceVar(&flags.trusted, "trusted-proxies", nil, "networks of load balancers whose X-Forwarded headers are trusted")
	cmd.Flags().StringVar(&flags.maxBundle, "max-bundle", defaultMaxBundle, "largest code bundle that is accepted, unpacked")
	cmd.Flags().StringVar(&flags.aws.Region, "aws-region", "us-east-1", "region in function ARNs, for AWS's tools on the admin address")
	cmd.Flags().StringVar(&flags.aws.Account, "aws-account", "000000000000", "account in function ARNs")
	cmd.Flags().StringVar(&flags.aws.Buckets, "aws-buckets", "", "folder whose subfolders stand in for S3 buckets with function code")
	cmd.Flags().StringVar(&flags.aws.URLDomain, "function-url-domain", "lambda-url.localhost", "domain suffix of function URLs")
	cmd.Flags().StringVar(&flags.level, "log-level", "info", "debug, info, warn or error")
	flags.edge.register(cmd)
	return cmd
}

func (s *session) serveOptions(flags serverFlags, from origins) (ServeOptions, error) {
	if err := flags.aws.check(from); err != nil {
		return ServeOptions{}, err
	}
	o := ServeOptions{AWS: flags.aws, Data: flags.data, HTTP: flags.http, Admin: flags.admin, Version: s.env.Version, CheckOnly: flags.check, SecretsKeyCommand: flags.secretsKey}
	if o.Data == "" {
		var err error
		if o.Data, err = dataDir(s.env.Getenv); err != nil {
			return o, err
		}
	}
	if err := checkAddresses(o, from); err != nil {
		return o, err
	}
	if err := flags.secureAdmin(&o, from); err != nil {
		return o, err
	}
	if err := o.LogLevel.UnmarshalText([]byte(flags.level)); err != nil || strings.ContainsAny(flags.level, "+-") {
		return o, from.wrong("log-level", "%q is not a level; use debug, info, warn or error", flags.level)
	}
	if err := o.MaxBundle.UnmarshalText([]byte(flags.maxBundle)); err != nil {
		return o, from.wrong("max-bundle", "%w", err)
	}
	var err error
	if o.Edge, err = flags.edge.options(from); err != nil {
		return o, err
	}
	if o.OverrideFrom, err = parseNetworks(from, "override-from", flags.override); err != nil {
		return o, err
	}
	o.TrustedProxy, err = parseNetworks(from, "trusted-proxies", flags.trusted)
	return o, err
}

func checkAddresses(o ServeOptions, from origins) error {
	for flag, address := range map[string]string{"http": o.HTTP, "admin": o.Admin} {
		if !isAddress(address) {
			return from.wrong(flag, "%q is not an address; write HOST:PORT or :PORT", address)
		}
	}
	return nil
}

// secureAdmin sets how the admin API is spoken: over TLS wherever other machines reach it.
func (f serverFlags) secureAdmin(o *ServeOptions, from origins) error {
	o.AdminHost, o.AdminPlain = strings.ToLower(f.adminHost), f.adminInsecure
	o.AdminTLS = f.adminTLS || f.adminHost != "" || (!f.adminInsecure && !isLoopback(o.Admin))
	switch {
	case f.adminInsecure && o.AdminTLS:
		return from.wrong("admin-insecure", "it asks for plain HTTP, and --admin-tls or --admin-host for TLS; leave one out")
	case f.adminHost != "" && !hostPattern.MatchString(o.AdminHost):
		return from.wrong("admin-host", "%q is not a name; write one such as teal.example.com", f.adminHost)
	case f.adminHost != "" && f.edge.tls == "":
		return from.wrong("admin-host", "its certificate is from an authority; set --tls auto, too. Without one, clients know the server by its fingerprint")
	}
	return nil
}

// isAddress reports whether something can be listened on: its port is a number that there
// is, or the name of one.
func isAddress(address string) bool {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	_, err = net.LookupPort("tcp", port)
	return err == nil
}

// isLoopback reports whether an address is this machine's own, and nobody else's.
// A name may be anybody's, except for localhost.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && ip.Unmap().IsLoopback())
}

var (
	regionPattern  = regexp.MustCompile(`^[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d$`)
	accountPattern = regexp.MustCompile(`^\d{12}$`)
	hostPattern    = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])$`)
	domainPattern  = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)
)

func (o AWSOptions) check(from origins) error {
	switch {
	case !regionPattern.MatchString(o.Region):
		return from.wrong("aws-region", "%q is not a region; write one such as us-east-1", o.Region)
	case !accountPattern.MatchString(o.Account):
		return from.wrong("aws-account", "%q is not an account; write twelve digits", o.Account)
	case !domainPattern.MatchString(o.URLDomain):
		return from.wrong("function-url-domain", "%q is not a domain; write one in lower case, without a port", o.URLDomain)
	}
	return nil
}

// defaultMaxBundle is what AWS Lambda accepts.
const defaultMaxBundle = "250MiB"

func parseNetworks(from origins, flag string, texts []string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range texts {
		prefix, err := parseNetwork(from, flag, text)
		if err != nil {
			return nil, err
		}
		networks = append(networks, prefix)
	}
	return networks, nil
}

// parseNetwork reads a network in CIDR notation, or one address.
func parseNetwork(from origins, flag, text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, from.wrong(flag, "%q is not a network; write one such as 10.0.0.0/8 or ::1", text)
	}
	return prefix.Masked(), nil
}

// serve runs the server. That ctx ended is how a server stops.
func (s *session) serve(ctx context.Context, o ServeOptions) error {
	if s.env.Serve == nil {
		return teal.Errorf(teal.CodeUnsupported, "this program was built without a server")
	}
	err := s.env.Serve(ctx, o)
	if err == nil && o.CheckOnly {
		s.show(map[string]bool{"valid": true}, func() { s.out.line("the settings are valid") })
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
