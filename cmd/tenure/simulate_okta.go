package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

// oktaFlags are those of `tenure simulate okta`.
type oktaFlags struct {
	providerFlags
	tokenVariable string
	apps          []string
	appGroups     []string
	client        string
	activationLag time.Duration
}

func newSimulateOktaCommand(a *app) *cobra.Command { return new(oktaFlags).command(a) }

func (f *oktaFlags) command(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "okta",
		Short: "Serve a simulated Okta org: the management API (/api/v1)",
		Long: `Serve a simulated Okta org: the management API (/api/v1), as far as joiners, movers and leavers need it. It is simulated,
not verified against the vendor.

The API token is in the variable named by --token-env. With --client a service application may ask for access tokens, with
the scopes okta.users.manage, okta.groups.manage and okta.apps.manage; then no API token is needed. The org is served over
plain http, which Tenure's connector takes from this machine only: put a proxy with a certificate in front of it for others.
When it is ready it prints the settings of a target.

Groups and applications that are missing are created. The members of an --app-group are an application's to change.
GET /_simulator/stats counts the calls it has answered and GET /_simulator/users shows the users, to everybody who asks.
POST /_simulator/users/{id}/first-sign-in with {"password": "…", "factors": ["sms"]} is a person's first day;
POST /_simulator/users/{id}/password with {"password": "…"} tells whether it works. It stops cleanly on SIGINT and SIGTERM.`,
		Example: `  TENURE_SIMULATOR_TOKEN=secret tenure simulate okta --data .run/okta --group Sales --app Salesforce --activation-lag 2s

  openssl genrsa -out okta.pem 2048 && openssl rsa -in okta.pem -pubout -out okta.pub
  tenure simulate okta --client 0oa1tenure=okta.pub --app-group "Directory Users"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := f.options(a)
			if err != nil {
				return err
			}
			return f.serve(cmd.Context(), cmd.OutOrStdout(), options)
		},
	}
	f.register(command, "127.0.0.1:8094")
	flags := command.Flags()
	flags.StringVar(&f.data, "data", "", "folder for its data; empty: in memory")
	flags.StringVar(&f.tokenVariable, "token-env", "TENURE_SIMULATOR_TOKEN", "environment variable with the API token")
	flags.StringArrayVar(&f.apps, "app", nil, "label of an application to create when it is missing; may be repeated")
	flags.StringArrayVar(&f.appGroups, "app-group", nil, "name of a group of type APP_GROUP to create when it is missing; may be repeated")
	flags.StringVar(&f.client, "client", "", "service application, as ID=FILE with its public RSA key (PEM or JWK)")
	flags.DurationVar(&f.activationLag, "activation-lag", 0, "how long an activation takes, such as 2s")
	return command
}

// options checks the flags.
func (f *oktaFlags) options(a *app) (simulator.Options, error) {
	if err := f.check(); err != nil {
		return simulator.Options{}, err
	}
	if err := checkLags(lag{"activation-lag", f.activationLag}); err != nil {
		return simulator.Options{}, err
	}
	if slices.Contains(f.apps, "") {
		return simulator.Options{}, usagef("--app is empty: give the application's label")
	}
	if slices.Contains(f.appGroups, "") {
		return simulator.Options{}, usagef("--app-group is empty: give the group's name")
	}
	o := simulator.Options{Folder: f.data, ActivationLag: f.activationLag, SearchLag: f.searchLag, RevocationLag: f.revocationLag}
	for _, name := range f.groups {
		o.Groups = append(o.Groups, simulator.Group{Name: name})
	}
	for _, name := range f.appGroups {
		o.Groups = append(o.Groups, simulator.Group{Name: name, Type: simulator.GroupApp})
	}
	for _, label := range f.apps {
		o.Apps = append(o.Apps, simulator.App{Name: "bookmark", Label: label})
	}
	if f.limits == limitsOff {
		o.Limits, o.Concurrency = map[simulator.Bucket]int{simulator.AllBuckets: -1}, -1
	}
	var err error
	if f.client != "" {
		o.Token = a.getenv(f.tokenVariable)
		o.Client, err = readClient(f.client)
		return o, err
	}
	o.Token, err = a.secretOfSimulator(f.tokenVariable, "the API token that callers must show")
	return o, err
}

// readClient reads the service application that --client names.
func readClient(flag string) (*simulator.Client, error) {
	id, file, err := named("client", flag)
	if err != nil {
		return nil, err
	}
	if file == "" {
		return nil, usagef("--client is %q: write it as ID=FILE, with the file of the public key", flag)
	}
	data, err := os.ReadFile(file) //nolint:gosec // the caller names the file
	if err != nil {
		return nil, fmt.Errorf("read the key of --client: %w", err)
	}
	key, err := simulator.ParseKey(data)
	if err != nil {
		return nil, fmt.Errorf("read the key of --client from %s: %w", file, err)
	}
	return &simulator.Client{ID: id, Key: key, Scopes: []string{"okta.users.manage", "okta.groups.manage", "okta.apps.manage"}}, nil
}

func (f *oktaFlags) serve(ctx context.Context, out io.Writer, options simulator.Options) error {
	org, err := simulator.New(options)
	if err != nil {
		return fmt.Errorf("open the org: %w", err)
	}
	return serveSimulator(ctx, f.listen, nil, org, func(address string) {
		base := "http://" + address
		credential := []setting{{"token", "env:" + f.tokenVariable}}
		if options.Client != nil {
			credential = []setting{{"clientId", options.Client.ID}, {"privateKey", "file:/path/of/the/private/key"}}
		}
		printTarget(out, "Okta org", base, append([]setting{{"orgUrl", base}}, credential...)...)
	})
}
