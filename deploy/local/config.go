package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.temporal.io/sdk/contrib/envconfig"

	"github.com/tenurehq/tenure/deploy/local/stack"
)

// Config is what the environment says. A second stack beside the first needs other values for the folder and the ports.
type Config struct {
	Root    string // the checkout
	RunDir  string // TENURE_RUN_DIR (.run): state, logs and secrets
	Bin     string // Temporal's programs, shared by all stacks of a checkout
	Port    int    // TENURE_PORT (8080): Tenure's API
	UIPort  int    // TENURE_UI_PORT (8233): the Temporal UI
	SimPort int    // TENURE_SIM_PORT (8090): the target crm; entra and okta take the next two

	TemporalPort int // TEMPORAL_PORT (7233): Temporal's frontend
	PostgresPort int // TENURE_PG_PORT (5433)

	// Volatile is the flag of `test`: Postgres keeps nothing over a power failure.
	Volatile bool

	// DatabaseURL (DATABASE_URL) is the owner's login of an existing Postgres, used instead of a local one.
	DatabaseURL string
	// ExternalTemporal says that TEMPORAL_ADDRESS, TEMPORAL_PROFILE or TEMPORAL_CONFIG_FILE names an existing cluster,
	// which is used instead of a local server and UI. Tenure reads these and the other TEMPORAL_* variables itself.
	ExternalTemporal bool
	TemporalAddress  string // TEMPORAL_ADDRESS; what the profile says once findTemporal has looked
	TemporalProfile  string // TEMPORAL_PROFILE
	TemporalFile     string // TEMPORAL_CONFIG_FILE, as an absolute path
	Namespace        string // TEMPORAL_NAMESPACE (tenure)
	ServeRole        string // TENURE_SERVE_ROLE (tenure): the login of tenure serve
}

func readConfig(getenv func(string) string) (Config, error) {
	root, err := checkout()
	if err != nil {
		return Config{}, err
	}
	value := func(name, otherwise string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return otherwise
	}
	c := Config{
		Root: root, RunDir: value("TENURE_RUN_DIR", filepath.Join(root, ".run")), Bin: filepath.Join(root, ".run", "bin"),
		DatabaseURL:     getenv("DATABASE_URL"),
		TemporalAddress: getenv("TEMPORAL_ADDRESS"),
		TemporalProfile: getenv("TEMPORAL_PROFILE"),
		TemporalFile:    getenv("TEMPORAL_CONFIG_FILE"),

		Namespace: value("TEMPORAL_NAMESPACE", "tenure"), ServeRole: value("TENURE_SERVE_ROLE", "tenure"),
	}
	c.ExternalTemporal = c.TemporalAddress+c.TemporalProfile+c.TemporalFile != ""
	if c.TemporalFile != "" {
		if c.TemporalFile, err = filepath.Abs(c.TemporalFile); err != nil {
			return Config{}, err
		}
	}
	if c.RunDir, err = filepath.Abs(c.RunDir); err != nil {
		return Config{}, err
	}
	for _, p := range []struct {
		name      string
		otherwise int
		most      int
		port      *int
	}{
		{"TENURE_PORT", 8080, 65535, &c.Port},
		{"TENURE_UI_PORT", 8233, 65535, &c.UIPort},
		{"TENURE_SIM_PORT", 8090, 65533, &c.SimPort},
		{"TEMPORAL_PORT", 7233, 65535, &c.TemporalPort},
		{"TENURE_PG_PORT", 5433, 65535, &c.PostgresPort},
	} {
		text := value(p.name, strconv.Itoa(p.otherwise))
		port, err := strconv.Atoi(text)
		if err != nil || port < 1 || port > p.most {
			return Config{}, fmt.Errorf("%s: %q is not a port between 1 and %d", p.name, text, p.most)
		}
		*p.port = port
	}
	return c, nil
}

// forgetOwn drops addresses that are this stack's own: a shell that has sourced tenure.env means no other server.
func (c *Config) forgetOwn(secret string) {
	admin := "postgres://" + address(c.PostgresPort) + "/?sslmode=disable"
	if c.DatabaseURL == stack.LoginURL(admin, c.ServeRole, stack.Password(secret, c.ServeRole), databaseName) {
		c.DatabaseURL = ""
	}
	_, err := os.Stat(filepath.Join(c.RunDir, "services", "temporal.yaml"))
	if err == nil && c.TemporalAddress == address(c.TemporalPort) {
		c.TemporalAddress, c.ExternalTemporal = "", false
	}
}

// findTemporal fills in the address of a Temporal elsewhere when a profile says it, by the rules of Temporal's tools: a
// variable goes before the profile. An empty variable is none here, as it is for all other settings.
func (c *Config) findTemporal() error {
	if !c.ExternalTemporal {
		return nil
	}
	const local = "without TEMPORAL_ADDRESS, TEMPORAL_PROFILE and TEMPORAL_CONFIG_FILE a local Temporal is used"
	profile, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{
		ConfigFilePath: c.TemporalFile, ConfigFileProfile: c.TemporalProfile, DisableEnv: true})
	if err != nil {
		return fmt.Errorf("read Temporal's configuration: %w; %s", err, local)
	}
	if c.TemporalAddress = cmp.Or(c.TemporalAddress, profile.Address); c.TemporalAddress == "" {
		return errors.New("TEMPORAL_PROFILE and TEMPORAL_CONFIG_FILE lead to no address: set it in the profile, or in TEMPORAL_ADDRESS; " + local)
	}
	return nil
}

// needsPostgres: a local Temporal keeps its data in a local Postgres, also when Tenure's own database is elsewhere.
func (c *Config) needsPostgres() bool { return c.DatabaseURL == "" || !c.ExternalTemporal }

// checkout is the folder of Tenure's go.mod: this one or one above it.
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module github.com/tenurehq/tenure\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("not inside a checkout of Tenure: run this from its folder")
		}
		dir = filepath.Dir(dir)
	}
}

// outside is where Postgres's data goes when the user postgres cannot reach the folder of the state.
func outside(stateDir string) string {
	hash := sha256.Sum256([]byte(stateDir))
	return "/var/lib/tenure-" + hex.EncodeToString(hash[:6])
}
