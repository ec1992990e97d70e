package activities

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
)

// directory is a target that counts how often its entitlements are looked up, and says what it was made from.
type directory struct {
	connectors.Connector
	connectors.EntitlementGranter
	settings connectors.Settings
	asked    int
}

func (d *directory) FindEntitlement(_ context.Context, kind, name string) (connectors.Entitlement, error) {
	d.asked++
	return connectors.Entitlement{NativeID: "id-" + name, Kind: kind, Name: name}, nil
}

// connecting is a worker's view of one target, on a clock of its own.
type connecting struct {
	t       *testing.T
	targets *targets
	at      *target
	policy  policy.Target
	version int64
	now     time.Time
	made    []*directory
}

func newConnecting(t *testing.T, settings map[string]any) *connecting {
	t.Helper()
	c := &connecting{t: t, version: 1, now: time.Date(2031, 3, 1, 12, 0, 0, 0, time.UTC),
		policy: policy.Target{Name: "crm", Connector: "one", Settings: settings}}
	factory := func(in connectors.Settings) (connectors.Connector, error) {
		if in["refuse"] == true {
			return nil, errors.New("one: setting refuse")
		}
		c.made = append(c.made, &directory{settings: in})
		return c.made[len(c.made)-1], nil
	}
	c.targets = newTargets(connectors.Registry{"one": {New: factory}, "other": {New: factory}})
	c.at = c.targets.get("acme", "crm")
	return c
}

// after connects when the time has passed, and answers how many connectors were made so far.
func (c *connecting) after(d time.Duration) int {
	c.t.Helper()
	c.now = c.now.Add(d)
	got, err := c.targets.connect(c.at, c.policy, c.version, c.now)
	require.NoError(c.t, err)
	require.Same(c.t, c.made[len(c.made)-1], got)
	return len(c.made)
}

// resolve resolves an entitlement by the connector, and answers how often that one was asked.
func (c *connecting) resolve(name string) int {
	c.t.Helper()
	d := c.made[len(c.made)-1]
	found, err := c.at.entitlement(c.t.Context(), d, policy.Entitlement{Kind: "group", Name: name})
	require.NoError(c.t, err)
	require.Equal(c.t, "id-"+name, found.NativeID)
	return d.asked
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// A connector has its connections, its access token and what it has learnt: it lives for as long as its settings do.
func TestAConnectorIsKeptAcrossTheAgeOfItsSettings(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, "first")
	c := newConnecting(t, map[string]any{"url": "https://crm.example", "token": "file:" + secret, "nested": map[string]any{"a": []any{1.0, true}}})
	require.Equal(t, 1, c.after(0))
	require.Equal(t, 1, c.resolve("Sales"))
	for range 5 {
		require.Equal(t, 1, c.after(settingsAge), "nothing has changed")
		require.Equal(t, 1, c.resolve("Sales"), "and its entitlements are known")
	}
	c.version++
	c.policy.Rate.Requests, c.policy.Concurrency = 7, 3
	require.Equal(t, 1, c.after(time.Second), "another version of the policy that says the same of the connection")

	write(t, secret, "second")
	require.Equal(t, 1, c.after(settingsAge/2), "it is looked at once a minute")
	require.Equal(t, 2, c.after(settingsAge), "the secret was rotated")
	require.Equal(t, "first", c.made[0].settings["token"])
	require.Equal(t, "second", c.made[1].settings["token"])
	require.Equal(t, 1, c.resolve("Sales"), "another connector may speak to another system")
	require.Equal(t, 2, c.after(settingsAge))
}

// What the policy says counts at once, and what stands in a file that a setting names by its path after the age.
func TestAConnectorFollowsItsSettings(t *testing.T) {
	t.Parallel()
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	write(t, bundle, "one")
	c := newConnecting(t, map[string]any{"url": "https://a.example", "caFile": bundle})
	require.Equal(t, 1, c.after(0))
	write(t, bundle, "two")
	require.Equal(t, 2, c.after(settingsAge))
	c.policy.Settings, c.version = map[string]any{"url": "https://b.example", "caFile": bundle}, 2
	require.Equal(t, 3, c.after(0))
	c.policy.Connector, c.version = "other", 3
	require.Equal(t, 4, c.after(0))
}

// A secret that is gone is an error, as is a setting that the connector refuses; when it is back, the connector serves on.
func TestAConnectorWhoseSecretIsGone(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, "s3cret")
	c := newConnecting(t, map[string]any{"token": "file:" + secret})
	require.Equal(t, 1, c.after(0))
	require.NoError(t, os.Remove(secret))
	for range 2 {
		c.now = c.now.Add(settingsAge)
		_, err := c.targets.connect(c.at, c.policy, c.version, c.now)
		require.ErrorContains(t, err, "settings of target crm: settings.token")
	}
	write(t, secret, "s3cret")
	require.Equal(t, 1, c.after(0))
	c.policy.Settings, c.version = map[string]any{"refuse": true}, 2
	_, err := c.targets.connect(c.at, c.policy, c.version, c.now)
	require.ErrorContains(t, err, "settings of target crm: one: setting refuse")
}

// An entitlement's id lasts until something speaks against it: nothing ages it, now that connectors last.
func TestWhatSpeaksAgainstAnEntitlement(t *testing.T) {
	t.Parallel()
	c := newConnecting(t, map[string]any{})
	c.after(0)
	c.resolve("Sales")
	require.Equal(t, 2, c.resolve("Legal"))

	c.at.forget(policy.Entitlement{Kind: "group", Name: "Sales"})
	require.Equal(t, 3, c.resolve("Sales"))
	require.Equal(t, 3, c.resolve("Legal"))

	c.at.doubt(connectors.KindNotFound, lifecycle.ActionCreate)
	require.Equal(t, 4, c.resolve("Sales"), "one of those that an account was to be made with is gone")
	require.Equal(t, 5, c.resolve("Legal"))

	shown := lifecycle.ActionGrant + "group/Sales"
	c.at.doubt(connectors.KindUnavailable, shown)
	require.Equal(t, 5, c.resolve("Sales"), "a grant that is not shown yet: it was only just resolved")
	c.after(settingsAge)
	c.at.doubt(connectors.KindUnavailable, shown)
	require.Equal(t, 6, c.resolve("Sales"), "the name may be another group's by now")
	require.Equal(t, 6, c.resolve("Legal"))
	c.at.doubt(connectors.KindUnavailable, lifecycle.ActionUpdate)
	require.Equal(t, 6, c.resolve("Legal"))
}
