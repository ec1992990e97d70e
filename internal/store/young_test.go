package store

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
)

// TestAnAttemptReadsItsOwnRows: what the engine asks of the database for one account costs the same among one person's rows
// and among many people's, also before the database has statistics of its tables. Postgres counts the blocks; a lookup that
// does not depend on how much there is takes a few.
func TestAnAttemptReadsItsOwnRows(t *testing.T) {
	t.Parallel()
	s := openScim(t, 1)
	now := time.Now()
	type person struct{ identity, account uuid.UUID }
	plan := func(p person, n int) string { return fmt.Sprint("run-", p.identity, "/", n) }
	var people []person
	account := func(p person, n int) Account {
		return Account{ID: p.account, Identity: p.identity, Target: "crm", State: identity.AccountPending, Epoch: int64(n), PlanID: plan(p, n),
			PlanDigest: []byte("digest"), CorrelateValues: []string{p.identity.String()}, Reasons: json.RawMessage(`[]`), CreatedAt: now}
	}
	ask := func(tx *Tx, p person, n int) {
		require.NoError(t, tx.SavePlan(t.Context(), PlanRow{ID: plan(p, n), Identity: p.identity, Version: 1, Policy: 1, Stage: "provision", AsOf: now,
			Result: json.RawMessage(`{}`), Steps: json.RawMessage(`{}`)}))
		require.NoError(t, tx.PlanAccount(t.Context(), account(p, n)))
		var list []Operation
		for _, action := range []string{"create", "enable", "grant:group/Crew"} {
			list = append(list, Operation{ID: uuid.New(), Identity: p.identity, Account: &p.account, PlanID: plan(p, n), Target: "crm", Action: action,
				Status: "requested", RequestedAt: now})
		}
		require.NoError(t, tx.InsertOperations(t.Context(), list))
	}
	for range 20 {
		inAcme(t, s, func(tx *Tx) {
			for range 50 {
				p := person{uuid.New(), uuid.New()}
				people = append(people, p)
				name := p.identity.String()
				require.NoError(t, tx.InsertIdentity(t.Context(), Identity{ID: p.identity, Version: 1, State: identity.StateActive,
					Attributes: identity.Attributes{EmployeeID: "E" + name, Email: name + "@acme.example", FamilyName: "Family " + name}}))
				tx.write("name", `update identities set user_name = $3 where org = $1 and id = $2`, tx.Org, p.identity, "user "+name)
				ask(tx, p, 1)
			}
		})
	}
	p := people[500]
	flush := func(tx *Tx) {
		_, err := tx.Exec(t.Context(), `select pg_stat_force_next_flush()`)
		require.NoError(t, err)
	}
	inAcme(t, s, flush)
	blocks := func() (n int) {
		inAcme(t, s, func(tx *Tx) {
			require.NoError(t, tx.QueryRow(t.Context(), `select sum(heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read)
				from pg_statio_user_tables where relname in ('identities', 'accounts', 'operations', 'plans')`).Scan(&n))
		})
		return n
	}
	var attempt int
	match := func(attribute, value string) func(tx *Tx) error {
		return func(tx *Tx) error {
			found, err := tx.MatchIdentities(t.Context(), "hr", map[string]string{attribute: strings.ToUpper(value)})
			require.Equal(t, []uuid.UUID{p.identity}, found)
			return err
		}
	}
	name := p.identity.String()
	for _, step := range []struct {
		name string
		most int // blocks
		do   func(tx *Tx) error
	}{
		{"plan", 160, func(tx *Tx) error { ask(tx, p, 2); return nil }},
		{"begin an attempt", 85, func(tx *Tx) error {
			a, began, _, err := tx.BeginAttempt(t.Context(), Attempt{Account: p.account, Epoch: 2, Now: now})
			require.True(t, began)
			attempt = a.Attempts
			return err
		}},
		{"read what is asked", 8, func(tx *Tx) error {
			_, err := tx.AskedOf(t.Context(), plan(p, 2), p.account.String(), "crm")
			return err
		}},
		{"record a failure", 75, func(tx *Tx) error {
			return tx.RecordFailure(t.Context(), p.account, plan(p, 2), Finding{Action: "create", Status: "failed"})
		}},
		{"list what failed", 35, func(tx *Tx) error {
			failed, err := tx.Operations(t.Context(), OperationFilter{Status: "failed", Limit: 10})
			require.Len(t, failed, 3)
			return err
		}},
		{"record findings", 35, func(tx *Tx) error {
			return tx.RecordFindings(t.Context(), p.account, plan(p, 2), []Finding{{Action: "create", Status: "verified", Verified: &now}})
		}},
		{"commit", 30, func(tx *Tx) error {
			committed, err := tx.CommitVerified(t.Context(), Verified{Account: p.account, Epoch: 2, Attempt: attempt, State: identity.AccountActive,
				Digest: []byte("digest"), At: now})
			require.NoError(t, err)
			require.True(t, committed)
			return nil
		}},
		{"confirm", 35, func(tx *Tx) error { return tx.ConfirmOperations(t.Context(), p.account, plan(p, 2), now) }},
		{"read the accounts", 12, func(tx *Tx) error { _, err := tx.Accounts(t.Context(), p.identity); return err }},
		{"read the operations", 15, func(tx *Tx) error { _, err := tx.OperationsOf(t.Context(), p.identity); return err }},
		{"correlate by mail", 20, match("email", name+"@acme.example")},
		{"correlate by employee id", 20, match("employeeId", "E"+name)},
		{"correlate by family name", 20, match("familyName", "Family "+name)},
		{"correlate by user name", 20, match("userName", "user "+name)},
		{"find by employee id", 20, func(tx *Tx) error {
			found, err := tx.FindIdentity(t.Context(), "E"+name)
			require.Equal(t, p.identity, found)
			return err
		}},
		{"list by user name", 20, func(tx *Tx) error {
			found, err := tx.Identities(t.Context(), IdentityFilter{UserName: "User " + name, Limit: 10})
			require.Len(t, found, 1)
			return err
		}},
	} {
		before := blocks()
		inAcme(t, s, func(tx *Tx) {
			_, err := tx.Exec(t.Context(), `set local plan_cache_mode = force_generic_plan`)
			require.NoError(t, err)
			require.NoError(t, step.do(tx))
			flush(tx)
		})
		read := blocks() - before
		t.Logf("%s: %d blocks", step.name, read)
		require.LessOrEqual(t, read, step.most, step.name)
	}
}
