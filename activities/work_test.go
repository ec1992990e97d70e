package activities

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/internal/testkit"
	"github.com/tenurehq/tenure/workflows"
)

func migrated(ctx context.Context, owner string) error { return store.Migrate(ctx, owner, "tenure") }

// newJob is an attempt to make a joiner's account, begun in a database of its own, and how to begin the next.
func newJob(t *testing.T) (begin func() *lifecycle.Job) {
	t.Helper()
	const org = "house"
	db := testkit.PostgresFrom(t, migrated)
	s, err := store.Open(t.Context(), store.Options{URL: db.Serve, MaxConns: 4, UrgentConns: 1})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	require.NoError(t, s.CreateOrganization(t.Context(), org, org))
	service, caller := lifecycle.New(s, lifecycle.Options{}), lifecycle.Caller{Actor: "test"}
	p, err := policy.Parse(policy.File{Name: "p.yaml", Data: []byte("organization: " + org + `
timeZone: UTC
sources: [{name: hr, match: ["urn:hr"]}]
targets: [{name: crm, connector: scim, settings: {baseUrl: "http://127.0.0.1:1"}, attributes: {userName: person.employeeId}}]
birthright: [{name: everyone, when: true, accounts: [crm]}]
`)})
	require.NoError(t, err)
	_, version, err := service.PolicyInForce(t.Context(), org)
	require.NoError(t, err)
	_, err = service.ApplyPolicy(t.Context(), org, caller, p, version)
	require.NoError(t, err)
	data, err := json.Marshal(map[string]any{"employeeId": "7", "givenName": "Ada", "familyName": "L", "displayName": "Ada L", "startDate": "2026-01-02"})
	require.NoError(t, err)
	event, err := identity.ParseEventData(identity.WorkerJoined, data)
	require.NoError(t, err)
	event.Source, event.ID, event.Type, event.Time = "urn:hr", uuid.NewString(), identity.WorkerJoined, time.Now()
	receipt, err := service.Accept(t.Context(), org, caller, event)
	require.NoError(t, err)
	id := receipt.Identity.String()
	plan, err := service.Plan(t.Context(), workflows.PlanRequest{Org: org, Identity: id, PlanID: uuid.NewString() + "/1", AsOf: time.Now()})
	require.NoError(t, err)
	require.Len(t, plan.Steps, 1)
	return func() *lifecycle.Job {
		job, _, err := service.Begin(t.Context(), workflows.ApplyRequest{Org: org, Identity: id, Step: plan.Steps[0]})
		require.NoError(t, err)
		require.NotNil(t, job)
		return job
	}
}

// half is a target that answers a create with what it was given.
type half struct {
	connectors.Connector
	connectors.AccountWriter
	create func() (connectors.Account, error)
}

func (h half) CreateAccount(context.Context, connectors.Account) (connectors.Account, error) {
	return h.create()
}

// whole is one that makes accounts with what they hold.
type whole struct {
	half
	connectors.EntitlementGranter
}

func (w whole) CreateAccountWith(context.Context, connectors.Account, []connectors.Entitlement) (connectors.Account, []connectors.Entitlement, error) {
	account, err := w.create()
	return account, nil, err
}

// An account that the target made is never lost sight of, whatever went wrong after that; the attempt's time may be over too.
func TestAnAccountThatCameWithAnErrorIsKeptInSight(t *testing.T) {
	t.Parallel()
	failure := &connectors.Error{Kind: connectors.KindUnavailable, Action: "set manager"}
	for name, test := range map[string]struct {
		made connectors.Account
		err  error
	}{
		"made":            {connectors.Account{NativeID: "n1"}, nil},
		"made and failed": {connectors.Account{NativeID: "n1"}, failure},
		"not made":        {connectors.Account{}, failure},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, granting := range []bool{false, true} {
				begin := newJob(t)
				ctx, cancel := context.WithCancel(t.Context())
				target := half{create: func() (connectors.Account, error) {
					if test.err != nil {
						cancel()
					}
					return test.made, test.err
				}}
				w := &work{job: begin(), connector: target}
				if granting {
					w.connector = whole{half: target}
				}
				account, _, err := w.create(ctx, target)
				require.Equal(t, test.made.NativeID, account.NativeID)
				require.ErrorIs(t, err, test.err)
				if test.err != nil {
					kind, finding, theirs := diagnose(err)
					require.Equal(t, failure.Kind, kind)
					require.Equal(t, lifecycle.ActionCreate, finding.Action)
					require.True(t, theirs)
				}
				require.Equal(t, test.made.NativeID, begin().Account.NativeID, "as the next attempt knows it")
				cancel()
			}
		})
	}
}
