package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

// entraFlags are those of `tenure simulate entra`.
type entraFlags struct {
	providerFlags
	tenantID, clientID string
	secretVariable     string
	licences, apps     []string
	readLag            time.Duration
	tenantSize         string
	omitRetryAfter     bool
}

// tenantSizes are the values of --tenant-size: the vendor's limits go by how many users a tenant has.
var tenantSizes = map[string]int{"small": simulator.SmallTenant, "medium": simulator.MediumTenant, "large": simulator.LargeTenant}

func newSimulateEntraCommand(a *app) *cobra.Command { return new(entraFlags).command(a) }

func (f *entraFlags) command(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "entra",
		Short: "Serve a simulated Entra ID tenant: Microsoft Graph v1.0 and its token endpoint",
		Long: `Serve a simulated Entra ID tenant: Microsoft Graph v1.0, as far as joiners, movers and leavers need it, and the token
endpoint of the one application that is registered in it. It is simulated, not verified against the vendor.

The application's client secret is in the variable named by --client-secret-env. The tenant is served over https, which
Microsoft's library insists on, with a certificate for localhost, 127.0.0.1 and ::1 that is made once and kept in the
folder. When it is ready it prints the settings of a target, the file with the certificate to trust (caFile) among them.

Groups, licences and applications that are missing are created. Give the same licences and applications at every start:
they are not kept, and their ids follow from their names. GET /_simulator/stats counts the calls it has answered and
GET /_simulator/users shows the users, to everybody who asks. POST /_simulator/users/{id}/first-sign-in with
{"password": "…", "methods": [{"kind": "phoneMethods", "phoneType": "mobile"}]} is a person's first day;
POST /_simulator/users/{id}/password with {"password": "…"} tells whether it works. It stops cleanly on SIGINT and SIGTERM.`,
		Example: `  TENURE_SIMULATOR_CLIENT_SECRET=secret tenure simulate entra --data .run/entra --group Sales --group "All staff" \
    --licence SPE_E3=200 --app "Payroll=Reader,Approver" --revocation-lag 30s --tenant-size large --omit-retry-after`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := f.options(a)
			if err != nil {
				return err
			}
			return f.serve(cmd.Context(), cmd.OutOrStdout(), options)
		},
	}
	f.register(command, "127.0.0.1:8093")
	flags := command.Flags()
	flags.StringVar(&f.data, "data", "", "folder for its data and its certificate; required")
	flags.StringVar(&f.tenantID, "tenant-id", "6f0e4c1a-5d0b-4f8e-9f55-7e0c5a3d1001", "id of the tenant")
	flags.StringVar(&f.clientID, "client-id", "6f0e4c1a-5d0b-4f8e-9f55-7e0c5a3d1002", "id of the application that may ask")
	flags.StringVar(&f.secretVariable, "client-secret-env", "TENURE_SIMULATOR_CLIENT_SECRET", "environment variable with the application's secret")
	flags.StringArrayVar(&f.licences, "licence", nil, "a product and its seats, as SKU=SEATS; may be repeated")
	flags.StringArrayVar(&f.apps, "app", nil, "an enterprise application and its roles, as NAME=ROLE,ROLE; may be repeated")
	flags.DurationVar(&f.readLag, "read-lag", 0, "how long a new user or group cannot be read, such as 3s")
	flags.StringVar(&f.tenantSize, "tenant-size", "small",
		"how many users the published limits take the tenant to have: small (under 50: 3,500 units in 10 s), medium (to 500: 5,000) or large (8,000)")
	flags.BoolVar(&f.omitRetryAfter, "omit-retry-after", false, "leave Retry-After out of every other 429, as Graph sometimes does")
	requireFlags(command, "data")
	return command
}

// options checks the flags.
func (f *entraFlags) options(a *app) (simulator.Options, error) {
	if err := f.check(); err != nil {
		return simulator.Options{}, err
	}
	o := simulator.Options{
		TenantID: f.tenantID, ClientID: f.clientID, Folder: f.data, ReadLag: f.readLag, SearchLag: f.searchLag, RevocationLag: f.revocationLag,
	}
	for _, name := range f.groups {
		o.Groups = append(o.Groups, simulator.Group{DisplayName: name})
	}
	o.Quota = simulator.Quota{ResourceUnits: tenantSizes[f.tenantSize], RetryAfterSometimes: f.omitRetryAfter}
	if f.limits == limitsOff {
		o.Quota = simulator.Quota{ResourceUnits: -1, Writes: -1}
	}
	var err error
	if o.Licences, err = parseLicences(f.licences); err != nil {
		return o, err
	}
	if o.AppRoles, err = parseApplications(f.apps); err != nil {
		return o, err
	}
	o.ClientSecret, err = a.secretOfSimulator(f.secretVariable, "the client secret of the application that may ask")
	return o, err
}

func (f *entraFlags) check() error {
	if err := f.providerFlags.check(); err != nil {
		return err
	}
	if f.data == "" {
		return usagef("--data is empty: name the folder for the tenant's data and its certificate")
	}
	host, _, _ := net.SplitHostPort(f.listen)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return usagef("--listen is %q: name one address or host, since the certificate is made out to it", f.listen)
	}
	for _, id := range []struct{ flag, value string }{{"tenant-id", f.tenantID}, {"client-id", f.clientID}} {
		if uuid.Validate(id.value) != nil || len(id.value) != 36 {
			return usagef("--%s is %q: it must be a GUID such as 11111111-2222-3333-4444-555555555555", id.flag, id.value)
		}
	}
	if tenantSizes[f.tenantSize] == 0 {
		return usagef("--tenant-size is %q: it must be small, medium or large", f.tenantSize)
	}
	if f.limits == limitsOff && (f.tenantSize != "small" || f.omitRetryAfter) {
		return usagef("--limits is off: --tenant-size and --omit-retry-after have no sense then")
	}
	return checkLags(lag{"read-lag", f.readLag})
}

// madeUpIDs is the name space of the ids that follow from names, so that they are the same at every start.
var madeUpIDs = uuid.MustParse("0d5f2bd4-8a3e-4f0c-8d0e-2f0f5f5a7c11")

func madeUpID(names ...string) string {
	return uuid.NewSHA1(madeUpIDs, []byte(strings.ToLower(strings.Join(names, "\x00")))).String()
}

// parseLicences reads SKU=SEATS.
func parseLicences(values []string) ([]simulator.Licence, error) {
	var out []simulator.Licence
	for _, value := range values {
		sku, number, err := named("licence", value)
		if err != nil {
			return nil, err
		}
		seats, err := strconv.Atoi(number)
		if err != nil || seats < 1 {
			return nil, usagef("--licence is %q: write it as SKU=SEATS, such as SPE_E3=200", value)
		}
		l := simulator.Licence{SkuPartNumber: sku, SkuID: madeUpID("sku", sku), Seats: seats}
		if slices.ContainsFunc(out, func(other simulator.Licence) bool { return other.SkuID == l.SkuID }) {
			return nil, usagef("--licence names %s twice: give all its seats at once", sku)
		}
		out = append(out, l)
	}
	return out, nil
}

// parseApplications reads NAME=ROLE,ROLE. An application without roles has its default access to give.
func parseApplications(values []string) ([]simulator.Application, error) {
	var out []simulator.Application
	for _, value := range values {
		name, list, err := named("app", value)
		if err != nil {
			return nil, err
		}
		a := simulator.Application{ID: madeUpID("application", name), DisplayName: name}
		if slices.ContainsFunc(out, func(other simulator.Application) bool { return other.ID == a.ID }) {
			return nil, usagef("--app names %s twice: give all its roles at once", name)
		}
		if strings.Contains(value, "=") {
			for role := range strings.SplitSeq(list, ",") {
				r := simulator.AppRole{ID: madeUpID("role", name, role), Value: role}
				if role == "" || slices.ContainsFunc(a.Roles, func(other simulator.AppRole) bool { return other.ID == r.ID }) {
					return nil, usagef("--app is %q: write it as NAME=ROLE,ROLE, each role once", value)
				}
				a.Roles = append(a.Roles, r)
			}
		}
		out = append(out, a)
	}
	return out, nil
}

// serve opens the tenant first: its data are locked against another process, and so is the certificate.
func (f *entraFlags) serve(ctx context.Context, out io.Writer, options simulator.Options) error {
	tenant, err := simulator.New(options)
	if err != nil {
		return fmt.Errorf("open the tenant in %s: %w", f.data, err)
	}
	host, _, _ := net.SplitHostPort(f.listen) // checked before
	certificate, caFile, err := simulatorCertificate(f.data, host, time.Now())
	if err != nil {
		return errors.Join(err, tenant.Close())
	}
	return serveSimulator(ctx, f.listen, &certificate, tenant, func(address string) {
		base := "https://" + address
		printTarget(out, "Entra ID tenant", base,
			setting{"tenantId", f.tenantID}, setting{"clientId", f.clientID}, setting{"clientSecret", "env:" + f.secretVariable},
			setting{"authority", base}, setting{"graphUrl", base + "/v1.0"}, setting{"caFile", caFile})
	})
}
