package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tenurehq/tenure/cmd/tenure/compare"
	"github.com/tenurehq/tenure/connectors"
	entra "github.com/tenurehq/tenure/connectors/entra/simulator"
	okta "github.com/tenurehq/tenure/connectors/okta/simulator"
	scim "github.com/tenurehq/tenure/connectors/scim/simulator"
	"github.com/tenurehq/tenure/internal/policy"
)

// simulatedTarget is a target of the sample, spoken to as what it is, a simulator, and not through Tenure.
type simulatedTarget struct {
	name      string
	kind      string // the connector's name
	address   string
	connector connectors.Connector
	http      *http.Client
}

// The connectors of the sample, with the setting that has the simulator's address.
var addressSettings = map[string]string{"entra": "authority", "okta": "orgUrl", "scim": "baseUrl"}

// connectTargets makes a connection to each target.
func (p *player) connectTargets() ([]*simulatedTarget, error) {
	var targets []*simulatedTarget
	for _, t := range p.policy.Targets() {
		target, err := p.connectTarget(t)
		if err != nil {
			return nil, fmt.Errorf("target %s: %w; `make run` sets what the sample needs", t.Name, err)
		}
		targets = append(targets, target)
	}
	return targets, nil
}

func (p *player) connectTarget(t policy.Target) (*simulatedTarget, error) {
	settings, err := policy.ResolveSettings(t.Settings, p.app.env.LookupEnv, os.ReadFile)
	if err != nil {
		return nil, err
	}
	connector, err := registry().New(t.Connector, settings)
	if err != nil {
		return nil, err
	}
	address, _ := settings[addressSettings[t.Connector]].(string)
	caFile, _ := settings["caFile"].(string)
	client, err := trusting(caFile)
	return &simulatedTarget{name: t.Name, kind: t.Connector, address: strings.TrimRight(address, "/"), connector: connector, http: client}, err
}

// trusting is a client that trusts the certificates in a file besides; an empty name is no file.
func trusting(caFile string) (*http.Client, error) {
	if caFile == "" {
		return &http.Client{}, nil
	}
	pem, err := os.ReadFile(caFile) //nolint:gosec // the policy names the file
	if err != nil {
		return nil, fmt.Errorf("read the certificates to trust: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", caFile)
	}
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: readers,
	}}, nil
}

// usage is what a target was called since its simulator was started.
type usage struct {
	Calls     int `json:"calls"`     // requests of the API; in Entra the steps of a batch, and the batch
	Throttled int `json:"throttled"` // those that were answered 429
}

func (t *simulatedTarget) usage(ctx context.Context) (usage, error) {
	const path = "/stats"
	var u usage
	switch t.kind {
	case "entra":
		var stats entra.Stats
		err := t.ask(ctx, path, nil, &stats)
		return usage{Calls: sum(stats.Calls), Throttled: stats.Throttled}, err
	case "okta":
		var stats okta.Stats
		err := t.ask(ctx, path, nil, &stats)
		return usage{Calls: sum(stats.Calls), Throttled: sum(stats.Throttled)}, err
	default:
		var stats scim.Stats // it has no limits
		err := t.ask(ctx, path, nil, &stats)
		for _, requests := range stats.Requests {
			u.Calls += sum(requests)
		}
		return u, err
	}
}

func sum(counts map[string]int) int {
	total := 0
	for n := range maps.Values(counts) {
		total += n
	}
	return total
}

// contents reads all accounts: those of the identity providers from what the simulators show, those of an application
// through its connector.
func (t *simulatedTarget) contents(ctx context.Context) ([]compare.Held, error) {
	const path = "/users"
	switch t.kind {
	case "entra":
		var users []entra.User
		err := t.ask(ctx, path, nil, &users)
		return held(ctx, t, users, err, func(u entra.User) string { return u.ID }, compare.Entra)
	case "okta":
		var users []okta.User
		err := t.ask(ctx, path, nil, &users)
		return held(ctx, t, users, err, func(u okta.User) string { return u.ID }, compare.Okta)
	default:
		return compare.Read(ctx, t.connector)
	}
}

// held asks for every user whether the chosen password works, and hands both on.
func held[U any](
	ctx context.Context, t *simulatedTarget, users []U, err error, id func(U) string, read func([]U, func(string) bool) []compare.Held,
) ([]compare.Held, error) {
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	works := map[string]bool{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for _, u := range users {
		group.Go(func() error {
			var answer struct{ Works bool }
			err := t.ask(ctx, "/users/"+id(u)+"/password", map[string]any{"password": chosenSecret}, &answer)
			mu.Lock()
			defer mu.Unlock()
			works[id(u)] = answer.Works
			return err
		})
	}
	err = group.Wait()
	return read(users, func(nativeID string) bool { return works[nativeID] }), err
}

// chosenSecret is the password that everybody in the sample chooses.
const chosenSecret = "Fleet-0wl-Quartz" //nolint:gosec // of simulated people

// enrolments are what everybody registers beside the password, in the words of each simulator.
var enrolments = map[string]map[string]any{
	"entra": {"methods": []entra.Method{{Kind: entra.PhoneMethod, PhoneType: "mobile", Default: true}, {Kind: entra.MicrosoftAuthenticatorMethod}}},
	"okta":  {"factors": []string{"push", "sms"}},
}

// provider reports whether people sign in here.
func (t *simulatedTarget) provider() bool { return enrolments[t.kind] != nil }

// signIn is a person's first day: a password, factors, a session.
func (t *simulatedTarget) signIn(ctx context.Context, nativeID string) error {
	body := maps.Clone(enrolments[t.kind])
	body["password"] = chosenSecret
	return t.ask(ctx, "/users/"+nativeID+"/first-sign-in", body, nil)
}

// ask asks the simulator itself: a nil body is a GET, a nil answer needs no content.
func (t *simulatedTarget) ask(ctx context.Context, path string, body, answer any) error {
	method, content := http.MethodGet, []byte(nil)
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return err
		}
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(ctx, method, t.address+"/_simulator"+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	response, err := t.http.Do(request)
	if err != nil {
		return fmt.Errorf("ask the simulator of %s: %w", t.name, errors.Unwrap(err))
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return fmt.Errorf("ask the simulator of %s: %w", t.name, err)
	case !slices.Contains([]int{http.StatusOK, http.StatusNoContent}, response.StatusCode):
		return fmt.Errorf("ask the simulator of %s: %s: %s", t.name, response.Status, bytes.TrimSpace(text))
	case answer == nil:
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("ask the simulator of %s: %w", t.name, err)
	}
	return nil
}
