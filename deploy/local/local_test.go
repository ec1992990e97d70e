package main

import (
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tenurehq/tenure/deploy/local/stack"
)

func environment(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestReadConfig(t *testing.T) {
	t.Parallel()
	defaults, err := readConfig(environment(nil))
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(defaults.Root, "go.mod"))
	require.Equal(t, Config{
		Root: defaults.Root, RunDir: filepath.Join(defaults.Root, ".run"), Bin: filepath.Join(defaults.Root, ".run", "bin"),
		Port: 8080, UIPort: 8233, SimPort: 8090, TemporalPort: 7233, PostgresPort: 5433,
		Namespace: "tenure", ServeRole: "tenure",
	}, defaults)

	second, err := readConfig(environment(map[string]string{
		"TENURE_RUN_DIR": "/second", "TENURE_PORT": "1", "TENURE_UI_PORT": "2", "TENURE_SIM_PORT": "3", "TEMPORAL_PORT": "6",
		"TENURE_PG_PORT": "7", "DATABASE_URL": "postgres://db/x", "TEMPORAL_ADDRESS": "t:1", "TEMPORAL_NAMESPACE": "n",
		"TENURE_SERVE_ROLE": "r",
	}))
	require.NoError(t, err)
	require.Equal(t, Config{
		Root: defaults.Root, RunDir: "/second", Bin: defaults.Bin, Port: 1, UIPort: 2, SimPort: 3, TemporalPort: 6, PostgresPort: 7,
		DatabaseURL: "postgres://db/x", TemporalAddress: "t:1", ExternalTemporal: true, Namespace: "n", ServeRole: "r",
	}, second)
}

func TestReadConfigNamesTheVariableAtFault(t *testing.T) {
	t.Parallel()
	for variable, value := range map[string]string{
		"TENURE_PORT": "x", "TENURE_UI_PORT": "0", "TENURE_PG_PORT": "-1", "TEMPORAL_PORT": "65536",
		"TENURE_SIM_PORT": "65534", // entra and okta would have none
	} {
		_, err := readConfig(environment(map[string]string{variable: value}))
		require.ErrorContains(t, err, variable+": ", "value %s", value)
	}
}

func TestATemporalElsewhereIsNamedByAnyOfThreeVariables(t *testing.T) {
	t.Parallel()
	for variable, external := range map[string]bool{
		"TEMPORAL_ADDRESS": true, "TEMPORAL_PROFILE": true, "TEMPORAL_CONFIG_FILE": true, "TEMPORAL_NAMESPACE": false,
	} {
		config, err := readConfig(environment(map[string]string{variable: "x"}))
		require.NoError(t, err)
		require.Equal(t, external, config.ExternalTemporal, variable)
	}
}

// profiles writes a configuration file of Temporal's.
func profiles(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "temporal.toml")
	require.NoError(t, os.WriteFile(file, []byte(`
[profile.default]
address = "default.example.com:7233"
[profile.cloud]
address = "cloud.example.com:7233"
namespace = "prod.a1b2"
api_key = "k"
[profile.bare]
namespace = "n"
`), 0o600))
	return file
}

func TestTheAddressOfATemporalElsewhereIsWhatItsToolsWouldTake(t *testing.T) {
	t.Parallel()
	file := profiles(t)
	for _, test := range []struct {
		environment map[string]string
		want        string
	}{
		{map[string]string{"TEMPORAL_CONFIG_FILE": file}, "default.example.com:7233"},
		{map[string]string{"TEMPORAL_CONFIG_FILE": file, "TEMPORAL_PROFILE": "cloud"}, "cloud.example.com:7233"},
		{map[string]string{"TEMPORAL_CONFIG_FILE": file, "TEMPORAL_PROFILE": "cloud", "TEMPORAL_ADDRESS": "a:1"}, "a:1"},
		{map[string]string{"TEMPORAL_CONFIG_FILE": file, "TEMPORAL_PROFILE": "bare", "TEMPORAL_ADDRESS": "a:1"}, "a:1"},
		{map[string]string{"TEMPORAL_CONFIG_FILE": filepath.Join(t.TempDir(), "absent"), "TEMPORAL_ADDRESS": "a:1"}, "a:1"},
		{nil, ""},
	} {
		config, err := readConfig(environment(test.environment))
		require.NoError(t, err)
		require.NoError(t, config.findTemporal(), test.environment)
		require.Equal(t, test.want, config.TemporalAddress, test.environment)
		p := &product{config: config}
		p.setEnv(&engine{secret: "secret"})
		require.Contains(t, p.env, envPair{"TEMPORAL_ADDRESS", test.want}, "what tenure.env holds")
	}
}

func TestATemporalElsewhereWithoutAnAddressIsRefused(t *testing.T) {
	t.Parallel()
	file := profiles(t)
	broken := filepath.Join(t.TempDir(), "broken.toml")
	require.NoError(t, os.WriteFile(broken, []byte("[profile"), 0o600))
	for _, test := range []struct {
		environment map[string]string
		want        string
	}{
		{map[string]string{"TEMPORAL_CONFIG_FILE": file, "TEMPORAL_PROFILE": "bare"}, "lead to no address"},
		{map[string]string{"TEMPORAL_CONFIG_FILE": filepath.Join(t.TempDir(), "absent")}, "lead to no address"},
		{map[string]string{"TEMPORAL_CONFIG_FILE": file, "TEMPORAL_PROFILE": "other"}, "unable to find profile other"},
		{map[string]string{"TEMPORAL_CONFIG_FILE": file, "TEMPORAL_PROFILE": "other", "TEMPORAL_ADDRESS": "a:1"}, "unable to find profile other"},
		{map[string]string{"TEMPORAL_CONFIG_FILE": broken}, "read Temporal's configuration: "},
	} {
		config, err := readConfig(environment(test.environment))
		require.NoError(t, err)
		err = config.findTemporal()
		require.ErrorContains(t, err, test.want, test.environment)
		require.ErrorContains(t, err, "a local Temporal is used", "what else to do")
		require.NotContains(t, err.Error(), "\n")
	}
}

// tenure serve runs in another folder than the caller.
func TestTheFileOfATemporalElsewhereIsFoundFromEverywhere(t *testing.T) {
	t.Parallel()
	config, err := readConfig(environment(map[string]string{"TEMPORAL_CONFIG_FILE": "temporal.toml"}))
	require.NoError(t, err)
	here, err := os.Getwd()
	require.NoError(t, err)
	p := &product{config: config}
	require.Contains(t, p.environment("postgres://db/x"), "TEMPORAL_CONFIG_FILE="+filepath.Join(here, "temporal.toml"))
}

func TestAShellThatSourcedTheEnvironmentMeansNoOtherServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	own := Config{RunDir: dir, PostgresPort: 5433, TemporalPort: 7233, ServeRole: "tenure", ExternalTemporal: true,
		TemporalAddress: "127.0.0.1:7233",
		DatabaseURL:     "postgres://tenure:" + stack.Password("secret", "tenure") + "@127.0.0.1:5433/tenure?sslmode=disable"}

	other := own
	other.forgetOwn("another secret")
	require.Equal(t, own, other, "no server of this folder's: it was never started")

	require.NoError(t, os.Mkdir(filepath.Join(dir, "services"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "services", "temporal.yaml"), nil, 0o600))
	own.forgetOwn("secret")
	require.Empty(t, own.DatabaseURL)
	require.Empty(t, own.TemporalAddress)
	require.False(t, own.ExternalTemporal)
}

func TestTheTargetsHaveWhatTheSamplesPolicyGrants(t *testing.T) {
	t.Parallel()
	root, err := checkout()
	require.NoError(t, err)
	has, err := targetEntitlements(root)
	require.NoError(t, err)
	require.Len(t, has, len(targets), "a target of the policy that is not started")
	kinds := 0
	for _, target := range targets {
		args := target.args("SECRET", has[target.name])
		require.Contains(t, args, "SECRET")
		for kind, names := range has[target.name] {
			kinds++
			for _, name := range names {
				require.Contains(t, strings.Join(args, "\n"), name, "%s %s of %s", kind, name, target.name)
			}
		}
	}
	require.Equal(t, 5, kinds, "groups everywhere, licences in Entra, applications in Okta")
}

// What the policy refers to is set: nothing else tells Tenure where a target is.
func TestTheEnvironmentHasWhatTheSamplesPolicyRefersTo(t *testing.T) {
	t.Parallel()
	root, err := checkout()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "deploy", "sample", sampleOrg, "targets.yaml"))
	require.NoError(t, err)
	var wanted, set []string
	for _, match := range regexp.MustCompile(`env:(\w+)`).FindAllStringSubmatch(string(text), -1) {
		wanted = append(wanted, match[1])
	}
	for _, pair := range targetEnv(Config{RunDir: "/run", SimPort: 7000}, "secret") {
		require.NotEmpty(t, pair.value)
		set = append(set, pair.name)
	}
	require.ElementsMatch(t, wanted, set)
}

func TestTakenPorts(t *testing.T) {
	t.Parallel()
	const taken = 500
	free := func(port int) bool { return port != taken }
	config := Config{Port: 1, UIPort: 2, SimPort: 10, TemporalPort: 3, PostgresPort: 4}
	require.NoError(t, checkPorts(config, free))

	config.UIPort = taken
	require.EqualError(t, checkPorts(config, free), "port 500 of 127.0.0.1 is taken: set TENURE_UI_PORT to another")
	config.UIPort = config.SimPort + 2
	require.EqualError(t, checkPorts(config, free), "port 12 is wanted twice: set TENURE_SIM_PORT or TENURE_UI_PORT to another")
	config.UIPort, config.ExternalTemporal = taken, true // no UI is started
	require.NoError(t, checkPorts(config, free))
}

func TestPortFree(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", stack.Loopback+":0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	taken, err := strconv.Atoi(port)
	require.NoError(t, err)
	require.False(t, stack.PortFree(taken))
	ports, err := stack.FreePorts(1)
	require.NoError(t, err)
	require.True(t, stack.PortFree(ports[0]))
}

func TestTheEnvironmentFileIsReadAsWritten(t *testing.T) {
	t.Parallel()
	value := rapid.OneOf(rapid.String(), rapid.StringMatching(`['" $;a=\\]{0,9}`))
	rapid.Check(t, func(t *rapid.T) {
		values := map[string]string{}
		for name, text := range rapid.MapOf(rapid.StringMatching(`[A-Z_]{1,9}`), value).Draw(t, "values") {
			values[name] = strings.NewReplacer("\n", "", "\x00", "").Replace(text) // no value of ours has these
		}
		var lines strings.Builder
		for name, text := range values {
			lines.WriteString(name + "=" + shellQuote(text) + "\n")
		}
		read := readEnv(lines.String())
		if !maps.Equal(values, read) {
			t.Fatalf("wrote %q, read %q", values, read)
		}
	})
}

func TestTheEnvironmentFileIsForItsOwnerAndForSh(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "tenure.env")
	const url = `postgres://o:p@h/d?a=b&c=it's "$HOME"`
	require.NoError(t, writeEnv(file, "", []envPair{{"PLAIN", "127.0.0.1:7233"}, {"URL", url}, {"EMPTY", ""}}))
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), "PLAIN=127.0.0.1:7233\n", "readable without sh")
	output, err := exec.Command("sh", "-c", `. "$1"; printf '%s\n%s\n%s.' "$PLAIN" "$URL" "$EMPTY"`, "sh", file).Output()
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:7233\n"+url+"\n.", string(output))
}

func TestTheRunFolderIsNeverSomebodyElses(t *testing.T) {
	t.Parallel()
	config := Config{Root: t.TempDir(), RunDir: filepath.Join(t.TempDir(), "new")}
	require.NoError(t, makeRunDir(config))
	require.NoError(t, makeRunDir(config), "a second time")
	require.NoError(t, clean(config))
	require.NoDirExists(t, config.RunDir)
	require.NoError(t, clean(config), "a second time")

	config.RunDir = t.TempDir()
	precious := filepath.Join(config.RunDir, "thesis.tex")
	require.NoError(t, os.WriteFile(precious, nil, 0o600))
	require.ErrorContains(t, makeRunDir(config), "TENURE_RUN_DIR")
	require.NoError(t, clean(config))
	require.FileExists(t, precious)
}
