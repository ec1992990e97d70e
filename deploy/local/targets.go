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

// targets are the sample's applications, in the order of their ports.
var targets = []string{"crm", "wiki", "helpdesk"}

func targetAddress(config Config, n int) string { return address(config.SimPort + n) }

// The variables by which the sample's policy refers to a target's address and token.
func targetURLVariable(name string) string { return "TENURE_SAMPLE_" + strings.ToUpper(name) + "_URL" }
func targetTokenVariable(name string) string {
	return "TENURE_SAMPLE_" + strings.ToUpper(name) + "_TOKEN"
}

// targetEnv is those variables with their values.
func targetEnv(config Config, secret string) []envPair {
	var env []envPair
	for n, name := range targets {
		env = append(env,
			envPair{targetURLVariable(name), "http://" + targetAddress(config, n)},
			envPair{targetTokenVariable(name), stack.Password(secret, "target-"+name)})
	}
	return env
}

// targetGroups maps each target to the groups that the sample's policy grants there: an application has its groups
// before anything is provisioned.
func targetGroups(root string) (map[string][]string, error) {
	file := filepath.Join(root, "deploy", "sample", sampleOrg, "targets.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var document struct {
		Targets []struct {
			Name         string `yaml:"name"`
			Entitlements []struct {
				Name string `yaml:"name"`
			} `yaml:"entitlements"`
		} `yaml:"targets"`
	}
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	groups := map[string][]string{}
	for _, target := range document.Targets {
		for _, entitlement := range target.Entitlements {
			groups[target.Name] = append(groups[target.Name], entitlement.Name)
		}
	}
	return groups, nil
}

func (p *product) startTargets(ctx context.Context, c *children, services string) error {
	groups, err := targetGroups(p.config.Root)
	if err != nil {
		return err
	}
	for n, name := range targets {
		data := filepath.Join(p.config.RunDir, "targets", name)
		if err := os.MkdirAll(data, 0o700); err != nil {
			return err
		}
		process, err := stack.Start(stack.Spec{
			Name: "target-" + name, Path: p.program, Dir: services, Env: p.environment(p.database.serve),
			Args: []string{"simulate", "scim", "--listen", targetAddress(p.config, n), "--name", name, "--data", data,
				"--token-env", targetTokenVariable(name), "--groups", strings.Join(groups[name], ",")},
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
