package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
)

// simulation is a simulate command that runs in this process.
type simulation struct {
	first string // the first line that it printed
	// settings are those of a target, as printed, with the secrets in place.
	settings connectors.Settings
	stop     func() // ends it, and fails the test unless it ends well
}

// simulate starts the command and waits until it has printed the first line and so many settings.
func simulate(t *testing.T, env environ, settings int, args ...string) simulation {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	printed, out := io.Pipe()
	root := newRootCommand(&app{env: env})
	root.SetOut(out)
	root.SetArgs(append([]string{"simulate"}, args...))
	ended := make(chan error, 1)
	go func() {
		err := execute(ctx, root)
		_ = out.CloseWithError(io.EOF)
		ended <- err
	}()
	stopped := false
	s := simulation{settings: connectors.Settings{}, stop: func() {
		if !stopped {
			stopped = true
			interrupt()
			require.NoError(t, <-ended)
		}
	}}
	t.Cleanup(s.stop)
	lines := bufio.NewScanner(printed)
	line := func() string {
		if !lines.Scan() {
			stopped = true
			require.Fail(t, "it ended before it was ready", "%v", <-ended)
		}
		return lines.Text()
	}
	s.first = line()
	for range settings {
		name, value, found := strings.Cut(strings.TrimSpace(line()), ": ")
		require.True(t, found)
		if variable, secret := strings.CutPrefix(value, "env:"); secret {
			value = env[variable]
		}
		s.settings[name] = value
	}
	go func() { _, _ = io.Copy(io.Discard, printed) }()
	return s
}

// with are the settings with others put over them; a nil takes one away.
func (s simulation) with(over connectors.Settings) connectors.Settings {
	all := connectors.Settings{}
	for _, settings := range []connectors.Settings{s.settings, over} {
		for name, value := range settings {
			if all[name] = value; value == nil {
				delete(all, name)
			}
		}
	}
	return all
}

// target is what the tests ask of both identity providers.
type target interface {
	connectors.Connector
	connectors.AccountWriter
	connectors.EntitlementGranter
}

func connect(t *testing.T, name string, settings connectors.Settings) target {
	t.Helper()
	c, err := registry().New(name, settings)
	require.NoError(t, err)
	return c.(target)
}

// grantEach grants what is named by kind and name, and answers it.
func grantEach(t *testing.T, c target, nativeID string, named ...[2]string) []connectors.Entitlement {
	t.Helper()
	out := []connectors.Entitlement{}
	for _, n := range named {
		found, err := c.FindEntitlement(t.Context(), n[0], n[1])
		require.NoError(t, err)
		require.NoError(t, c.Grant(t.Context(), nativeID, found))
		out = append(out, found)
	}
	return out
}

// refused runs a simulate command that should end by itself, and stops it when it serves instead.
func refused(t *testing.T, env environ, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var out, errOut bytes.Buffer
	root := newRootCommand(&app{env: env})
	root.SetOut(&out)
	root.SetErr(&errOut)
	root.SetArgs(append([]string{"simulate"}, args...))
	code := exitCode(ctx, execute(ctx, root), &errOut)
	return result{out: out.String(), errOut: errOut.String(), code: code}
}

func TestSimulateRefuses(t *testing.T) {
	t.Parallel()
	env := environ{"TENURE_SIMULATOR_TOKEN": "token", "TENURE_SIMULATOR_CLIENT_SECRET": "secret"}
	folder := t.TempDir()
	entra := []string{"entra", "--listen", "127.0.0.1:0", "--data", folder}
	okta := []string{"okta", "--listen", "127.0.0.1:0"}
	for _, test := range []struct {
		name    string
		base    []string
		more    []string
		code    int
		message string
	}{
		{"scim without its token", []string{"scim"}, []string{"--token-env", "NONE"}, 1, "the variable NONE is not set: it holds the bearer token"},
		{"scim on no address", []string{"scim"}, []string{"--listen", "127.0.0.1:99999"}, 1, "choose another address with --listen"},
		{"nothing of the kind", []string{"ldap"}, nil, 2, `tenure simulate has no command "ldap"`},

		{"no folder", []string{"entra"}, nil, 2, "tenure simulate entra needs --data"},
		{"empty folder", entra, []string{"--data", ""}, 2, "--data is empty"},
		{"no secret", entra, []string{"--client-secret-env", "NONE"}, 1, "the variable NONE is not set: it holds the client secret"},
		{"secret on the command line", entra, []string{"--client-secret", "x"}, 2, "unknown flag"},
		{"tenant", entra, []string{"--tenant-id", "contoso"}, 2, `--tenant-id is "contoso": it must be a GUID`},
		{"client", entra, []string{"--client-id", "{11111111-2222-3333-4444-555555555555}"}, 2, "--client-id is"},
		{"seats", entra, []string{"--licence", "SPE_E3"}, 2, `--licence is "SPE_E3": write it as SKU=SEATS`},
		{"no seats", entra, []string{"--licence", "SPE_E3=0"}, 2, "write it as SKU=SEATS"},
		{"no product", entra, []string{"--licence", "=7"}, 2, "must begin with a name"},
		{"product twice", entra, []string{"--licence", "SPE_E3=1", "--licence", "spe_e3=2"}, 2, "--licence names spe_e3 twice"},
		{"no application", entra, []string{"--app", ""}, 2, "must begin with a name"},
		{"application twice", entra, []string{"--app", "Payroll", "--app", "Payroll=Reader"}, 2, "--app names Payroll twice"},
		{"role twice", entra, []string{"--app", "Payroll=Reader,Reader"}, 2, "each role once"},
		{"empty role", entra, []string{"--app", "Payroll="}, 2, "write it as NAME=ROLE,ROLE"},
		{"read lag", entra, []string{"--read-lag", "-1s"}, 2, "--read-lag is -1s: it must be 0 or longer"},
		{"tenant size", entra, []string{"--tenant-size", "huge"}, 2, `--tenant-size is "huge": it must be small, medium or large`},
		{"a size without limits", entra, []string{"--limits", "off", "--tenant-size", "large"}, 2, "have no sense then"},
		{"no wait without limits", entra, []string{"--limits", "off", "--omit-retry-after"}, 2, "have no sense then"},
		{"everywhere, with a certificate", entra, []string{"--listen", "0.0.0.0:0", "--expose"}, 2, "the certificate is made out to it"},
		{"any, with a certificate", entra, []string{"--listen", ":0", "--expose"}, 2, "the certificate is made out to it"},

		{"no token", okta, []string{"--token-env", "NONE"}, 1, "the variable NONE is not set: it holds the API token"},
		{"label", okta, []string{"--app", ""}, 2, "--app is empty"},
		{"group of an application", okta, []string{"--app-group", ""}, 2, "--app-group is empty"},
		{"client without a key", okta, []string{"--client", "0oa1"}, 2, `--client is "0oa1": write it as ID=FILE`},
		{"client without an id", okta, []string{"--client", "=key.pem"}, 2, "must begin with a name"},
		{"client's key is not there", okta, []string{"--client", "0oa1=" + folder + "/none.pem"}, 1, "read the key of --client"},
		{"activation lag", okta, []string{"--activation-lag", "-1ns"}, 2, "--activation-lag is -1ns"},
		{"argument", okta, []string{"now"}, 2, "now"},

		{"group", okta, []string{"--group", ""}, 2, "--group is empty"},
		{"search lag", okta, []string{"--search-lag", "-1s"}, 2, "--search-lag is -1s"},
		{"revocation lag", entra, []string{"--revocation-lag", "-1s"}, 2, "--revocation-lag is -1s"},
		{"no time", entra, []string{"--revocation-lag", "5"}, 2, "invalid argument"},
		{"limits", entra, []string{"--limits", "on"}, 2, `--limits is "on": it must be published or off`},
		{"no port", okta, []string{"--listen", "127.0.0.1"}, 2, `--listen is "127.0.0.1": write it as host:port`},
		{"everywhere", okta, []string{"--listen", "0.0.0.0:0"}, 2, "say --expose"},
		{"any", okta, []string{"--listen", ":0"}, 2, "say --expose"},
		{"another machine's", entra, []string{"--listen", "192.0.2.1:0"}, 2, "say --expose"},
		{"a name that may be anywhere", entra, []string{"--listen", "localhost.example.com:0"}, 2, "say --expose"},
		{"not ours", okta, []string{"--listen", "192.0.2.1:0", "--expose"}, 1, "choose another address with --listen"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := refused(t, env, append(append([]string{}, test.base...), test.more...)...)
			require.Contains(t, r.errOut, test.message)
			require.Equal(t, test.code, r.code, r.errOut)
			require.Empty(t, r.out)
		})
	}
}

// A simulator whose address is taken lets go of its data.
func TestSimulateAddressTaken(t *testing.T) {
	t.Parallel()
	env := environ{"TENURE_SIMULATOR_TOKEN": "token", "TENURE_SIMULATOR_CLIENT_SECRET": "secret"}
	taken := strings.TrimPrefix(simulate(t, env, 2, "okta", "--listen", "127.0.0.1:0").settings["orgUrl"].(string), "http://")
	for _, provider := range []string{"okta", "entra"} {
		folder := t.TempDir()
		r := refused(t, env, provider, "--data", folder, "--listen", taken)
		require.Equal(t, 1, r.code)
		require.Contains(t, r.errOut, "choose another address with --listen")
		simulate(t, env, 2, provider, "--data", folder, "--listen", "127.0.0.1:0")
	}
}

// A tenant that can make no certificate lets go of its data too.
func TestSimulateEntraWithoutCertificate(t *testing.T) {
	t.Parallel()
	env := environ{"TENURE_SIMULATOR_CLIENT_SECRET": "secret"}
	args := []string{"entra", "--listen", "127.0.0.1:0", "--data", t.TempDir()}
	inTheWay := filepath.Join(args[4], "server-key.pem")
	require.NoError(t, os.MkdirAll(filepath.Join(inTheWay, "x"), 0o700))
	r := refused(t, env, args...)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, "make a certificate in "+args[4])
	require.NoError(t, os.RemoveAll(inTheWay))
	simulate(t, env, 6, args...)
}

func TestSimulateSCIM(t *testing.T) {
	t.Parallel()
	env := environ{"CRM_TOKEN": "token"}
	args := []string{"scim", "--name", "crm", "--listen", "127.0.0.1:0", "--data", t.TempDir(), "--token-env", "CRM_TOKEN", "--groups", "Sales,Agents"}
	s := simulate(t, env, 0, args...)
	address, found := strings.CutPrefix(s.first, "crm: a simulated SCIM application at ")
	require.True(t, found, s.first)
	c := connect(t, "scim", connectors.Settings{"baseUrl": address, "token": "token"})
	require.NoError(t, c.Probe(t.Context()))
	for _, name := range []string{"Sales", "Agents"} {
		_, err := c.FindEntitlement(t.Context(), "group", name)
		require.NoError(t, err)
	}
}

// TestSimulateEndsOnSignals runs itself as the program.
func TestSimulateEndsOnSignals(t *testing.T) {
	t.Parallel()
	const variable = "TENURE_TEST_SIMULATE"
	if provider := os.Getenv(variable); provider != "" {
		os.Args = []string{"tenure", "simulate", provider, "--listen", "127.0.0.1:0", "--data", os.Getenv(variable + "_DATA")}
		os.Exit(run())
	}
	for _, provider := range []string{"entra", "okta"} {
		for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
			t.Run(fmt.Sprint(provider, signal), func(t *testing.T) {
				t.Parallel()
				program := exec.Command(os.Args[0], "-test.run=^TestSimulateEndsOnSignals$")
				program.Env = append(os.Environ(), variable+"="+provider, variable+"_DATA="+t.TempDir(),
					"TENURE_SIMULATOR_TOKEN=token", "TENURE_SIMULATOR_CLIENT_SECRET=secret")
				out, err := program.StdoutPipe()
				require.NoError(t, err)
				require.NoError(t, program.Start())
				_, err = bufio.NewReader(out).ReadString('\n')
				require.NoError(t, err)
				require.NoError(t, program.Process.Signal(signal))
				require.NoError(t, program.Wait(), "the exit code is 0")
			})
		}
	}
}

func TestSimulateOkta(t *testing.T) {
	t.Parallel()
	env := environ{"ORG_TOKEN": "00t0k3n"}
	args := []string{"okta", "--listen", "127.0.0.1:0", "--data", t.TempDir(), "--token-env", "ORG_TOKEN", "--group", "Sales, EMEA", "--app", "Salesforce"}
	s := simulate(t, env, 2, args...)
	require.Contains(t, s.first, "simulated, not verified against the vendor")
	kinds := connectors.Settings{"entitlements": []any{"group", "application"}}
	c := connect(t, "okta", s.with(kinds))
	require.NoError(t, c.Probe(t.Context()))
	ada, err := c.CreateAccount(t.Context(), connectors.Account{Enabled: true, Attributes: map[string]any{
		"login": "ada@contoso.com", "email": "ada@contoso.com", "firstName": "Ada", "lastName": "L",
	}})
	require.NoError(t, err)
	granted := grantEach(t, c, ada.NativeID, [2]string{"group", "Sales, EMEA"}, [2]string{"application", "Salesforce"})
	other := connect(t, "okta", s.with(connectors.Settings{"token": "another"}))
	require.Equal(t, connectors.KindUnauthorized, connectors.KindOf(other.Probe(t.Context())))
	require.Contains(t, users(t, s.settings["orgUrl"].(string)), "ada@contoso.com")
	s.stop()
	require.Error(t, c.Probe(t.Context()))

	again := connect(t, "okta", simulate(t, env, 2, args...).with(kinds))
	held, err := again.GrantsOf(t.Context(), ada.NativeID)
	require.NoError(t, err)
	require.ElementsMatch(t, granted, held)
}

// users is what the simulator in the clear shows of its users.
func users(t *testing.T, address string) string {
	t.Helper()
	resp, err := http.Get(address + "/_simulator/users")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body)
}
