package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tenurehq/tenure/deploy/local/stack"
)

// sampleOrg is the organization of the sample. emptyOrg has nobody in it, for SCIM clients to be tried on.
const (
	sampleOrg = "acme"
	emptyOrg  = "empty"
)

// product is tenure itself and the sample's targets, on top of a running engine.
type product struct {
	config   Config
	database database
	program  string
	env      []envPair // what tenure.env holds
}

func (p *product) url() string { return "http://" + address(p.config.Port) }

func address(port int) string { return net.JoinHostPort(stack.Loopback, strconv.Itoa(port)) }

func (p *product) envFile() string { return filepath.Join(p.config.RunDir, "tenure.env") }

// start starts everything that is made of cmd/tenure, and plays the sample.
func (p *product) start(ctx context.Context, r report, c *children) error {
	services := filepath.Join(p.config.RunDir, "services")
	steps := []struct {
		name string
		do   func() error
	}{
		{"migrations", func() error { return p.tenure(ctx, p.database.owner, "migrate") }},
		{fmt.Sprintf("targets %s on %s and up", targetNames(), targetAddress(p.config, 0)),
			func() error { return p.startTargets(ctx, c, services) }},
		{"Tenure on " + p.url(), func() error { return p.startServer(ctx, c, services) }},
		{"organizations " + sampleOrg + " and " + emptyOrg, func() error { return p.prepareOrgs(ctx) }},
	}
	for _, step := range steps {
		if err := r.step(step.name, step.do); err != nil {
			return err
		}
	}
	play := p.command(ctx, p.database.serve, "sample", "play")
	play.Stdout, play.Stderr = os.Stdout, os.Stderr
	if err := play.Run(); err != nil {
		return fmt.Errorf("tenure sample play: %w", err)
	}
	return nil
}

// environment is what tenure's commands see: the caller's, with the addresses of this stack.
func (p *product) environment(databaseURL string) []string {
	environ := os.Environ()
	if !p.config.ExternalTemporal {
		environ = stack.WithoutTemporal(environ) // a client's certificate or key for another cluster
	}
	for _, pair := range p.env {
		if pair.value != "" {
			environ = append(environ, pair.name+"="+pair.value)
		}
	}
	if p.config.ExternalTemporal && p.config.TemporalFile != "" { // not every process runs where the caller did
		environ = append(environ, "TEMPORAL_CONFIG_FILE="+p.config.TemporalFile)
	}
	return append(environ, "DATABASE_URL="+databaseURL, "TEMPORAL_NAMESPACE="+p.config.Namespace,
		"TENURE_SERVE_ROLE="+p.config.ServeRole, "TENURE_LISTEN="+address(p.config.Port))
}

func (p *product) command(ctx context.Context, databaseURL string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, p.program, args...)
	command.Dir, command.Env = p.config.Root, p.environment(databaseURL)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 10 * time.Second
	return command
}

// tenure runs a command of tenure's that prints nothing of interest when it succeeds.
func (p *product) tenure(ctx context.Context, databaseURL string, args ...string) error {
	if output, err := p.command(ctx, databaseURL, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("tenure %s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(output))
	}
	return nil
}

func (p *product) startServer(ctx context.Context, c *children, services string) error {
	server, err := stack.Start(stack.Spec{Name: "tenure", Path: p.program, Args: []string{"serve"}, Dir: services,
		Env: p.environment(p.database.serve), StopTimeout: 20 * time.Second})
	if err != nil {
		return err
	}
	c.add(server)
	return server.AwaitHTTP(ctx, p.url()+"/readyz", time.Minute)
}

// prepareOrgs makes the organizations and the tokens that scripts use, when they are missing.
func (p *product) prepareOrgs(ctx context.Context) error {
	for _, org := range []string{sampleOrg, emptyOrg} {
		if err := p.tenure(ctx, p.database.serve, "org", "create", org, "--if-missing"); err != nil {
			return err
		}
	}
	kept := map[string]string{}
	if text, err := os.ReadFile(p.envFile()); err == nil {
		kept = readEnv(string(text))
	}
	const emptyAdmin = "TENURE_EMPTY_ADMIN_TOKEN"
	values := map[string]string{}
	for _, token := range []struct{ variable, org, scope string }{
		{"TENURE_ADMIN_TOKEN", sampleOrg, "admin"},
		{"TENURE_HR_TOKEN", sampleOrg, "hr"},
		{"TENURE_KILL_TOKEN", sampleOrg, "kill"},
		{"TENURE_SCIM_TOKEN", sampleOrg, "scim"},
		{"TENURE_SCIM_EMPTY_TOKEN", emptyOrg, "scim"},
		{emptyAdmin, emptyOrg, "admin"},
	} {
		value := kept[token.variable]
		if valid, err := p.accepted(ctx, value); err != nil {
			return err
		} else if !valid {
			if value, err = p.newToken(ctx, token.org, token.scope); err != nil {
				return err
			}
		}
		p.env = append(p.env, envPair{token.variable, value})
		values[token.variable] = value
	}
	p.env = append(p.env, envPair{"TENURE_SCIM_URL", p.url() + "/scim/v2"})
	if err := p.applyEmpty(ctx, values[emptyAdmin]); err != nil {
		return err
	}
	return writeEnv(p.envFile(), "", p.env)
}

// applyEmpty applies the policy of the empty organization; that of the sample is applied when it is played.
func (p *product) applyEmpty(ctx context.Context, token string) error {
	apply := p.command(ctx, p.database.serve, "apply", "-f", filepath.Join(p.config.Root, "deploy", "sample", emptyOrg), "--auto-approve")
	apply.Env = append(apply.Env, "TENURE_TOKEN="+token)
	if output, err := apply.CombinedOutput(); err != nil {
		return fmt.Errorf("tenure apply for %s: %w\n%s", emptyOrg, err, bytes.TrimSpace(output))
	}
	return nil
}

// accepted reports whether Tenure knows a token, whatever it may do. It does not when the token has expired, or when
// the database is another than the one it was made for.
func (p *product) accepted(ctx context.Context, token string) (bool, error) {
	if token == "" {
		return false, nil
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url()+"/v1/organizations", nil)
	if err != nil {
		return false, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	return response.StatusCode != http.StatusUnauthorized, nil
}

func (p *product) newToken(ctx context.Context, org, scope string) (string, error) {
	command := p.command(ctx, p.database.serve,
		"token", "create", "--org", org, "--name", "local-"+scope, "--scope", scope, "--quiet")
	var problem bytes.Buffer
	command.Stderr = &problem
	output, err := command.Output()
	token := strings.TrimSpace(string(output))
	if err != nil || token == "" {
		return "", fmt.Errorf("tenure token create --scope %s: %w\n%s", scope, err, bytes.TrimSpace(problem.Bytes()))
	}
	return token, nil
}
