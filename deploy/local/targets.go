package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/tenurehq/tenure/deploy/local/stack"
)

// target is one of the sample's targets, as it is simulated.
type target struct {
	name   string // in the policy and in the names of variables; also what `tenure simulate` calls it, but for crm
	secret string // the last part of the name of the variable that holds its credential
	// args are those of `tenure simulate` beside the address, the folder and the credential's variable; the sample's
	// policy says what must be there before anything is provisioned.
	args func(variable string, has entitlements) []string
	// more are variables that the policy refers to beside its address and its credential.
	more func(config Config, address string) []envPair
}

// targets are in the order of their ports. The vendors' published limits, such as Okta's 100 requests a minute to /apps, would
// stretch the sample to several minutes, so they are off.
var targets = []target{
	{name: "crm", secret: "TOKEN", args: func(variable string, has entitlements) []string {
		return []string{"scim", "--name", "crm", "--token-env", variable, "--groups", strings.Join(has["group"], ",")}
	}},
	{name: "entra", secret: "CLIENT_SECRET", args: func(variable string, has entitlements) []string {
		args := append([]string{"entra", "--client-secret-env", variable, "--limits", "off"}, repeated("--group", has["group"])...)
		for _, sku := range has["licence"] {
			args = append(args, "--licence", sku+"="+seats)
		}
		return args
	}, more: func(config Config, address string) []envPair {
		return []envPair{
			{targetVariable("entra", "GRAPH_URL"), address + "/v1.0"},
			{targetVariable("entra", "CA_FILE"), filepath.Join(targetFolder(config, "entra"), "ca.pem")},
		}
	}},
	{name: "okta", secret: "TOKEN", args: func(variable string, has entitlements) []string {
		return append(append([]string{"okta", "--token-env", variable, "--limits", "off"}, repeated("--group", has["group"])...),
			repeated("--app", has["application"])...)
	}},
}

// seats is how many of each licence the tenant has: more than the sample has people.
const seats = "400"

func repeated(flag string, values []string) []string {
	var args []string
	for _, value := range values {
		args = append(args, flag, value)
	}
	return args
}

func targetAddress(config Config, n int) string { return address(config.SimPort + n) }

func targetFolder(config Config, name string) string {
	return filepath.Join(config.RunDir, "targets", name)
}

// targetVariable is the variable by which the sample's policy refers to a setting of a target.
func targetVariable(name, suffix string) string {
	return "TENURE_SAMPLE_" + strings.ToUpper(name) + "_" + suffix
}

// targetEnv is those variables with their values.
func targetEnv(config Config, secret string) []envPair {
	var env []envPair
	for n, t := range targets {
		url := "http://" + targetAddress(config, n)
		if t.name == "entra" { // its library insists on TLS, so the simulator makes itself a certificate
			url = "https://" + targetAddress(config, n)
		}
		env = append(env, envPair{targetVariable(t.name, "URL"), url},
			envPair{targetVariable(t.name, t.secret), stack.Password(secret, "target-"+t.name)})
		if t.more != nil {
			env = append(env, t.more(config, url)...)
		}
	}
	return env
}

// entitlements are names of groups, licences and the like, by kind.
type entitlements map[string][]string

// targetEntitlements maps each target to what the sample's policy grants there.
func targetEntitlements(root string) (map[string]entitlements, error) {
	file := filepath.Join(root, "deploy", "sample", sampleOrg, "targets.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var document struct {
		Targets []struct {
			Name         string `yaml:"name"`
			Entitlements []struct {
				Kind string `yaml:"kind"`
				Name string `yaml:"name"`
			} `yaml:"entitlements"`
		} `yaml:"targets"`
	}
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	all := map[string]entitlements{}
	for _, target := range document.Targets {
		all[target.Name] = entitlements{}
		for _, e := range target.Entitlements {
			if e.Kind == "" {
				e.Kind = "group"
			}
			all[target.Name][e.Kind] = append(all[target.Name][e.Kind], e.Name)
		}
	}
	return all, nil
}

func (p *product) startTargets(ctx context.Context, c *children, services string) error {
	has, err := targetEntitlements(p.config.Root)
	if err != nil {
		return err
	}
	for n, t := range targets {
		data := targetFolder(p.config, t.name)
		if err := os.MkdirAll(data, 0o700); err != nil {
			return err
		}
		args := append([]string{"simulate"}, t.args(targetVariable(t.name, t.secret), has[t.name])...)
		process, err := stack.Start(stack.Spec{
			Name: "target-" + t.name, Path: p.program, Dir: services, Env: p.environment(p.database.serve),
			Args: append(args, "--listen", targetAddress(p.config, n), "--data", data),
		})
		if err != nil {
			return err
		}
		c.add(process)
		if err := process.AwaitListener(ctx, targetAddress(p.config, n), 30*time.Second); err != nil {
			return err
		}
	}
	return nil
}

func targetNames() string {
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.name
	}
	return strings.Join(names, ", ")
}
