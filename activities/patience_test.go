package activities_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/tenurehq/tenure/activities"
	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/internal/testkit"
	"github.com/tenurehq/tenure/workflows"
)

// vault is a target with at most one account, in which factors are reset before the account is disabled, as in Okta. As long
// as refusal is set, the factors cannot be.
type vault struct {
	account *connectors.Account
	refusal error
	factors int
	resets  int
}

func (v *vault) Probe(context.Context) error { return nil }

func (v *vault) GetAccount(_ context.Context, nativeID string) (connectors.Account, error) {
	if v.account == nil || v.account.NativeID != nativeID {
		return connectors.Account{}, &connectors.Error{Kind: connectors.KindNotFound, Action: "read account", Object: nativeID}
	}
	return *v.account, nil
}

func (v *vault) FindAccounts(context.Context, string, string) ([]connectors.Account, error) {
	if v.account == nil {
		return []connectors.Account{}, nil
	}
	return []connectors.Account{*v.account}, nil
}

func (v *vault) ListAccounts(context.Context, connectors.Page) (connectors.Accounts, error) {
	return connectors.Accounts{}, nil
}

func (v *vault) CreateAccount(_ context.Context, account connectors.Account) (connectors.Account, error) {
	account.NativeID = "1"
	v.account, v.factors = &account, 2
	return account, nil
}

func (v *vault) UpdateAccount(context.Context, string, map[string]any) error { return nil }

func (v *vault) SetEnabled(_ context.Context, _ string, enabled bool) error {
	v.account.Enabled = enabled
	return nil
}

func (v *vault) DeleteAccount(context.Context, string) error { return nil }

func (v *vault) ResetFactors(context.Context, string) error {
	v.resets++
	if v.refusal == nil {
		v.factors = 0
	}
	return v.refusal
}

func (v *vault) FactorsReset(context.Context, string) (bool, connectors.Evidence, error) {
	return v.factors == 0, connectors.Evidence{"factors": v.factors}, nil
}

func (v *vault) RevocationOrder() []connectors.Revocation {
	return []connectors.Revocation{connectors.RevokeFactors, connectors.RevokeAccess}
}

const vaultPolicy = `organization: acme
targets:
  - name: vault
    connector: vault
    correlate: externalId
    attributes: {externalId: person.employeeId}
birthright:
  - {name: everyone, when: true, accounts: [vault]}
`

// noProbes: nobody looks whether a target is back.
type noProbes struct{}

func (noProbes) Start(context.Context, string, string) error { return nil }
func (noProbes) Stop(context.Context, string, string) error  { return nil }

// leaving is one person in one organization, on a clock of its own.
type leaving struct {
	t       *testing.T
	vault   *vault
	target  connectors.Connector // the vault, or what stands around it
	service *lifecycle.Service
	env     *testsuite.TestActivityEnvironment
	apply   func(context.Context, workflows.ApplyRequest) (workflows.Outcome, error)
	now     time.Time
	id      uuid.UUID
	plans   int
}

func migrated(ctx context.Context, ownerURL string) error {
	return store.Migrate(ctx, ownerURL, "tenure")
}

func newLeaving(t *testing.T) *leaving {
	t.Helper()
	opened, err := store.Open(t.Context(), store.Options{URL: testkit.PostgresFrom(t, migrated).Serve, MaxConns: 2, UrgentConns: 1})
	require.NoError(t, err)
	t.Cleanup(opened.Close)
	l := &leaving{t: t, vault: &vault{}, now: time.Date(2031, 3, 3, 9, 0, 0, 0, time.UTC)}
	l.service = lifecycle.New(opened, lifecycle.Options{Now: func() time.Time { return l.now }})
	require.NoError(t, opened.CreateOrganization(t.Context(), "acme", "Acme"))
	p, err := policy.Parse(policy.File{Name: "policy.yaml", Data: []byte(vaultPolicy)})
	require.NoError(t, err)
	_, err = l.service.ApplyPolicy(t.Context(), "acme", lifecycle.Caller{Actor: "test"}, p, 0)
	require.NoError(t, err)
	l.target = l.vault
	registry := connectors.Registry{"vault": {New: func(connectors.Settings) (connectors.Connector, error) { return l.target, nil }}}
	acts := activities.New(l.service, registry, noProbes{}, slog.New(slog.DiscardHandler))
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	l.env = suite.NewTestActivityEnvironment()
	l.env.RegisterActivity(acts.ApplyAccount)
	l.apply = acts.ApplyAccount
	return l
}

func (l *leaving) accept(kind identity.EventType, data map[string]any) {
	l.t.Helper()
	raw, err := json.Marshal(data)
	require.NoError(l.t, err)
	event, err := identity.ParseEventData(kind, raw)
	require.NoError(l.t, err)
	event.Source, event.ID, event.Type, event.Time = "hr", uuid.NewString(), kind, l.now
	receipt, err := l.service.Accept(l.t.Context(), "acme", lifecycle.Caller{Actor: "test"}, event)
	require.NoError(l.t, err)
	l.id = receipt.Identity
}

// step is the one that a new plan has for the person.
func (l *leaving) step() workflows.Step {
	l.t.Helper()
	l.plans++
	plan, err := l.service.Plan(l.t.Context(), workflows.PlanRequest{Org: "acme", Identity: l.id.String(), AsOf: l.now,
		PlanID: fmt.Sprintf("run/%d", l.plans)})
	require.NoError(l.t, err)
	require.Len(l.t, plan.Steps, 1, "%+v", plan)
	return plan.Steps[0]
}

// attempt makes one when the time has passed.
func (l *leaving) attempt(after time.Duration, step workflows.Step) (outcome workflows.Outcome, err error) {
	l.t.Helper()
	l.now = l.now.Add(after)
	value, err := l.env.ExecuteActivity(l.apply, workflows.ApplyRequest{Org: "acme", Identity: l.id.String(), Step: step})
	if err == nil {
		require.NoError(l.t, value.Get(&outcome))
	}
	return outcome, err
}

// joiner gets an account.
func (l *leaving) joiner() {
	l.t.Helper()
	person := map[string]any{"employeeId": "E1", "givenName": "Ada", "familyName": "Vogel", "workerType": "employee", "startDate": "2020-01-01"}
	l.accept(identity.WorkerJoined, person)
	outcome, err := l.attempt(0, l.step())
	require.NoError(l.t, err)
	require.Equal(l.t, workflows.OutcomeApplied, outcome)
	require.True(l.t, l.vault.account.Enabled)
}

// leaver has an account with factors, and has left.
func (l *leaving) leaver() workflows.Step {
	l.t.Helper()
	l.joiner()
	l.now = l.now.Add(time.Hour)
	l.accept(identity.WorkerLeft, map[string]any{"employeeId": "E1", "lastDay": "2031-03-03", "immediate": true})
	return l.step()
}

// docs/connectors/okta.md: a part of a leave that goes on failing does not hold up the deactivation: after accessPatience,
// 20 seconds, it is gone on to, and the part is reported; until then the order is kept.
func TestAccessPatience(t *testing.T) {
	t.Parallel()
	l := newLeaving(t)
	step := l.leaver()
	l.vault.refusal = &connectors.Error{Kind: connectors.KindUnavailable, Action: "reset factors"}
	for _, after := range []time.Duration{0, 10 * time.Second, 9 * time.Second} {
		_, err := l.attempt(after, step)
		require.Error(t, err, "it is tried again")
		require.True(t, l.vault.account.Enabled, "factors cannot be reset after it, so they have their time")
	}
	_, err := l.attempt(time.Second, step)
	require.Error(t, err, "the factors are still to be reset")
	require.False(t, l.vault.account.Enabled, "20 seconds after the first failure")
	require.Equal(t, 4, l.vault.resets)

	outcome, err := l.attempt(10*time.Second, step)
	require.NoError(t, err)
	require.Equal(t, workflows.OutcomeBlocked, outcome)
	var operations []store.Operation
	require.NoError(t, l.service.Store().InOrg(t.Context(), "acme", func(tx *store.Tx) (err error) {
		operations, err = tx.OperationsOf(t.Context(), l.id)
		return err
	}))
	status := map[string]string{}
	for _, o := range operations {
		if o.PlanID == step.Plan {
			status[o.Action] = o.Status
		}
	}
	require.Equal(t, string(workflows.OutcomeBlocked), status[lifecycle.ActionResetFactors], "the part is reported: %v", status)

	l.vault.refusal = nil
	require.NoError(t, l.service.SetHealth(t.Context(), "acme", "vault", "up", "probe")) // so many failures looked like an outage
	outcome, err = l.attempt(time.Second, step)
	require.NoError(t, err)
	require.Equal(t, workflows.OutcomeApplied, outcome)
	require.Zero(t, l.vault.factors)
}

// What no further try would mend, and a target that asks for more time than that, is not waited for.
func TestAccessIsNotPatientInVain(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]error{
		"a refusal for good":            &connectors.Error{Kind: connectors.KindInvalid, Action: "reset factors"},
		"not before the next minute":    &connectors.Error{Kind: connectors.KindThrottled, Action: "reset factors", RetryAfter: time.Minute},
		"no right to reset the factors": &connectors.Error{Kind: connectors.KindUnauthorized, Action: "reset factors"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLeaving(t)
			step := l.leaver()
			l.vault.refusal = refusal
			_, _ = l.attempt(0, step)
			require.False(t, l.vault.account.Enabled)
			require.Equal(t, 1, l.vault.resets)
		})
	}
}
