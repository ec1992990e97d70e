package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/internal/testkit"
)

func readable(ctx context.Context, owner string) error { return store.Migrate(ctx, owner, "tenure") }

// openAcme is a store with the organization acme.
func openAcme(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: testkit.PostgresFrom(t, readable).Serve, MaxConns: 4, UrgentConns: 1})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	require.NoError(t, s.CreateOrganization(t.Context(), "acme", "Acme"))
	return s
}

// work is an operation of a made-up history, in seconds from its beginning.
type work struct {
	plan, target, action, status string
	asked, verified              int // verified 0: not
}

func TestDurations(t *testing.T) {
	t.Parallel()
	begun := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	const month = 30 * 24 * 3600
	for name, test := range map[string]struct {
		events map[int]identity.Effect // by second
		work   []work
		want   store.Durations
	}{
		"nothing asked for": {events: map[int]identity.Effect{0: identity.EffectJoin}},
		"the last one counts": {
			events: map[int]identity.Effect{0: identity.EffectJoin},
			work: []work{{"p1", "crm", "create", "verified", 1, 4}, {"p1", "wiki", "create", "confirmed", 1, 9},
				{"p1", "crm", "grant:group/a", "verified", 1, 5}, {"p1", "crm", "update", "verified", 1, 50}},
			want: store.Durations{Count: 1, P50: 9, P99: 9, Max: 9},
		},
		"one is missing": {
			events: map[int]identity.Effect{0: identity.EffectJoin},
			work:   []work{{"p1", "crm", "create", "verified", 1, 4}, {"p1", "wiki", "create", "failed", 1, 0}},
			want:   store.Durations{Open: 1},
		},
		"a capability that the target lacks is not waited for": {
			events: map[int]identity.Effect{0: identity.EffectJoin},
			work:   []work{{"p1", "crm", "create", "verified", 1, 4}, {"p1", "crm", "enable", "unsupported", 1, 0}},
			want:   store.Durations{Count: 1, P50: 4, P99: 4, Max: 4},
		},
		"a superseded plan's successor counts": {
			events: map[int]identity.Effect{0: identity.EffectJoin},
			work: []work{{"p1", "crm", "create", "verified", 1, 2}, {"p1", "wiki", "create", "superseded", 1, 0},
				{"p2", "wiki", "create", "verified", 5, 7}},
			want: store.Durations{Count: 1, P50: 7, P99: 7, Max: 7},
		},
		"superseded by a leave: nothing is open": {
			events: map[int]identity.Effect{0: identity.EffectJoin},
			work:   []work{{"p1", "crm", "create", "superseded", 1, 0}},
		},
		"a later mover's grant is another matter": {
			events: map[int]identity.Effect{0: identity.EffectJoin},
			work:   []work{{"p1", "crm", "create", "verified", 1, 4}, {"p2", "crm", "grant:group/b", "verified", 500, 900}},
			want:   store.Durations{Count: 1, P50: 4, P99: 4, Max: 4},
		},
		"a pre-hire is measured from when the work was due": {
			events: map[int]identity.Effect{0: identity.EffectJoin},
			work:   []work{{"p1", "crm", "create", "verified", month, month + 6}},
			want:   store.Durations{Count: 1, P50: 6, P99: 6, Max: 6},
		},
		"a rehire is measured on its own": {
			events: map[int]identity.Effect{0: identity.EffectJoin, 1000: identity.EffectRehire},
			work:   []work{{"p1", "crm", "create", "verified", 1, 4}, {"p2", "crm", "enable", "verified", 1001, 1010}},
			want:   store.Durations{Count: 2, P50: 7, P99: 9.94, Max: 10},
		},
		"moves are not joins": {
			events: map[int]identity.Effect{0: identity.EffectMove},
			work:   []work{{"p1", "crm", "grant:group/a", "verified", 1, 4}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openAcme(t)
			require.NoError(t, s.InOrg(t.Context(), "acme", func(tx *store.Tx) error {
				makeHistory(t, tx, begun, test.events, test.work)
				got, err := tx.TimeToProvision(t.Context(), store.Period{Since: begun.Add(-time.Hour)})
				require.NoError(t, err)
				require.InDelta(t, test.want.P50, got.P50, 0.001)
				require.InDelta(t, test.want.P99, got.P99, 0.001)
				require.InDelta(t, test.want.Max, got.Max, 0.001)
				require.Equal(t, []int{test.want.Count, test.want.Open}, []int{got.Count, got.Open})
				later, err := tx.TimeToProvision(t.Context(), store.Period{Since: begun.Add(time.Hour)})
				require.NoError(t, err)
				require.Zero(t, later)
				return nil
			}))
		})
	}
}

// makeHistory writes one person with events and operations.
func makeHistory(t *testing.T, tx *store.Tx, begun time.Time, events map[int]identity.Effect, done []work) {
	t.Helper()
	ctx := t.Context()
	at := func(second int) time.Time { return begun.Add(time.Duration(second) * time.Second) }
	id := uuid.New()
	require.NoError(t, tx.InsertIdentity(ctx, store.Identity{ID: id, Version: 1, State: identity.StateActive}))
	for second, effect := range events {
		require.NoError(t, tx.InsertRecord(ctx, "hr", identity.Entry{ReceivedAt: at(second), Event: identity.Event{Source: "urn:hr",
			ID: fmt.Sprint(second), Type: identity.WorkerChanged, Time: at(second), EmployeeID: "1", Patch: identity.Patch{}}},
			store.Receipt{Identity: &id, Effect: effect}))
	}
	accounts := map[string]uuid.UUID{}
	var operations []store.Operation
	for _, w := range done {
		account, known := accounts[w.target]
		if !known {
			account = uuid.New()
			accounts[w.target] = account
			makeAccount(t, tx, account, id, w.target, identity.AccountPending)
		}
		operations = append(operations, store.Operation{ID: uuid.New(), Identity: id, Account: &account, PlanID: w.plan, Target: w.target,
			Action: w.action, Status: w.status, RequestedAt: at(w.asked)})
	}
	require.NoError(t, tx.InsertOperations(ctx, operations))
	for i, w := range done {
		if w.verified > 0 {
			_, err := tx.Exec(ctx, `update operations set verified_at = $3 where org = $1 and id = $2`, tx.Org, operations[i].ID, at(w.verified))
			require.NoError(t, err)
		}
	}
}

func makeAccount(t *testing.T, tx *store.Tx, account, owner uuid.UUID, target string, state identity.AccountState) {
	t.Helper()
	_, err := tx.Exec(t.Context(), `insert into accounts (org, id, identity_id, target, state) values ($1, $2, $3, $4, $5)`,
		tx.Org, account, owner, target, state)
	require.NoError(t, err)
}

func TestClassify(t *testing.T) {
	t.Parallel()
	pg := func(code string) error {
		return fmt.Errorf("write: %w", &pgconn.PgError{Code: code, Message: "canary"})
	}
	for name, test := range map[string]struct {
		err  error
		want identity.Code
	}{
		"none":              {nil, ""},
		"its own":           {identity.Errorf(identity.NotFound, "no such"), identity.NotFound},
		"unique":            {pg("23505"), identity.Conflict},
		"deadlock":          {pg("40P01"), identity.Conflict},
		"U+0000 in JSON":    {pg("22P05"), identity.Invalid},
		"not UTF-8":         {pg("22021"), identity.Invalid},
		"shutting down":     {pg("57P01"), identity.Unavailable},
		"too many sessions": {pg("53300"), identity.Unavailable},
		"syntax":            {pg("42601"), identity.Internal},
		"connection broke":  {fmt.Errorf("read: %w", io.ErrUnexpectedEOF), identity.Unavailable},
		"too slow":          {fmt.Errorf("read: %w", context.DeadlineExceeded), identity.Unavailable},
		"other":             {errors.New("other"), identity.Internal},
	} {
		require.Equal(t, test.want, identity.ErrorCode(store.Classify(test.err)), name)
	}
	require.Equal(t, "write: SQLSTATE 42601", store.Loggable(pg("42601")))
	require.Equal(t, "other", store.Loggable(errors.New("other")))
}

func TestFindIdentityNeedsOneAnswer(t *testing.T) {
	t.Parallel()
	s := openAcme(t)
	require.NoError(t, s.CreateOrganization(t.Context(), "rival", "Rival"))
	ids := map[string]uuid.UUID{"one": uuid.New(), "two": uuid.New()}
	require.NoError(t, s.InOrg(t.Context(), "acme", func(tx *store.Tx) error {
		for name, id := range ids {
			require.NoError(t, tx.InsertIdentity(t.Context(), store.Identity{ID: id, Version: 1, State: identity.StateActive,
				Attributes: identity.Attributes{EmployeeID: name, Email: "same@x.example"}}))
			require.NoError(t, tx.SaveLink(t.Context(), "other", "both-"+name, &id))
			require.NoError(t, tx.SaveLink(t.Context(), "third-"+name, "shared", &id))
		}
		for reference, want := range map[string]uuid.UUID{"one": ids["one"], "both-two": ids["two"], ids["two"].String(): ids["two"]} {
			got, err := tx.FindIdentity(t.Context(), reference)
			require.NoError(t, err, reference)
			require.Equal(t, want, got, reference)
		}
		for reference, want := range map[string]identity.Code{"shared": identity.Conflict, "": identity.NotFound, "none": identity.NotFound} {
			_, err := tx.FindIdentity(t.Context(), reference)
			require.Equal(t, want, identity.ErrorCode(err), reference)
		}
		return nil
	}))
	require.NoError(t, s.InOrg(t.Context(), "rival", func(tx *store.Tx) error {
		for _, reference := range []string{"one", ids["one"].String()} {
			_, err := tx.FindIdentity(t.Context(), reference)
			require.Equal(t, identity.NotFound, identity.ErrorCode(err))
		}
		_, err := tx.ViewOf(t.Context(), ids["one"])
		require.Equal(t, identity.NotFound, identity.ErrorCode(err))
		return nil
	}))
}

func TestViewTellsLeavingFromLeft(t *testing.T) {
	t.Parallel()
	s := openAcme(t)
	for name, test := range map[string]struct {
		settled, confirmed, deleted bool
		want                        identity.State
	}{
		"unsettled":   {false, true, false, identity.StateLeaving},
		"unconfirmed": {true, false, false, identity.StateLeaving},
		"confirmed":   {true, true, false, identity.StateLeft},
		"deleted":     {true, false, true, identity.StateLeft},
	} {
		require.NoError(t, s.InOrg(t.Context(), "acme", func(tx *store.Tx) error {
			id, account := uuid.New(), uuid.New()
			require.NoError(t, tx.InsertIdentity(t.Context(), store.Identity{ID: id, Version: 3, State: identity.StateLeft}))
			state := identity.AccountDisabled
			if test.deleted {
				state = identity.AccountDeleted
			}
			makeAccount(t, tx, account, id, "crm", state)
			if test.confirmed {
				_, err := tx.Exec(t.Context(), `update accounts set confirmed_at = now() where org = $1 and id = $2`, tx.Org, account)
				require.NoError(t, err)
			}
			if test.settled {
				require.NoError(t, tx.Settle(t.Context(), id, 3, 0, nil, identity.ClassChange))
			}
			view, err := tx.ViewOf(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, test.want, view.Live, name)
			require.Equal(t, test.settled, view.Settled, name)
			return nil
		}))
	}
}
