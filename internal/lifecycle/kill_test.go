package lifecycle_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/store"
)

// killing is a house with a clock that stands still between the steps of a test, and one person in it, with an account.
type killing struct {
	*house
	now time.Time
	id  uuid.UUID
}

func newKilling(t *testing.T) *killing {
	t.Helper()
	k := &killing{house: newHouse(t, head+targets), now: time.Now().UTC().Truncate(time.Second)}
	k.service = lifecycle.New(k.store, lifecycle.Options{Now: func() time.Time { return k.now }})
	k.says(identity.WorkerJoined, map[string]any{"startDate": "2020-01-01"})
	return k
}

// says has HR say something a minute later.
func (k *killing) says(kind identity.EventType, data map[string]any) identity.Effect {
	k.t.Helper()
	k.now = k.now.Add(time.Minute)
	data["employeeId"] = "1"
	event := k.event("urn:hr", kind, data)
	event.Time = k.now
	receipt := k.accept(event)
	k.id = receipt.Identity
	return receipt.Effect
}

// decides kills or reinstates a minute later.
func (k *killing) decides(how func(*lifecycle.Service) (lifecycle.Killed, error)) lifecycle.Killed {
	k.t.Helper()
	k.now = k.now.Add(time.Minute)
	killed, err := how(k.service)
	require.NoError(k.t, err)
	return killed
}

func (k *killing) kill() lifecycle.Killed {
	k.t.Helper()
	return k.decides(func(s *lifecycle.Service) (lifecycle.Killed, error) {
		return s.Kill(k.t.Context(), org, lifecycle.Caller{Actor: "test"}, "1", "a reason")
	})
}

func (k *killing) reinstate() lifecycle.Killed {
	k.t.Helper()
	return k.decides(func(s *lifecycle.Service) (lifecycle.Killed, error) {
		return s.Reinstate(k.t.Context(), org, lifecycle.Caller{Actor: "test"}, "1", "another")
	})
}

func (k *killing) row() (row store.Identity) {
	k.t.Helper()
	require.NoError(k.t, k.store.InOrg(k.t.Context(), org, func(tx *store.Tx) (err error) {
		row, err = tx.Identity(k.t.Context(), k.id)
		return err
	}))
	return row
}

// What a source goes on saying lifts no kill: only somebody who means it does.
func TestWhatLiftsAKill(t *testing.T) {
	t.Parallel()
	for name, each := range map[string]struct {
		then func(*killing) identity.Effect
		want identity.State
	}{
		"nothing": {func(*killing) identity.Effect { return identity.EffectNone }, identity.StateLeft},
		"a change": {func(k *killing) identity.Effect {
			return k.says(identity.WorkerChanged, map[string]any{"department": "Docs"})
		}, identity.StateLeft},
		"the same joining again": {func(k *killing) identity.Effect {
			return k.says(identity.WorkerJoined, map[string]any{"startDate": "2020-01-01"})
		}, identity.StateLeft},
		"the end of a leave": {func(k *killing) identity.Effect { return k.says(identity.WorkerLeaveEnded, map[string]any{}) }, identity.StateLeft},
		"a rehire":           {func(k *killing) identity.Effect { return k.says(identity.WorkerRehired, map[string]any{}) }, identity.StateActive},
		"a rehire that is to come": {func(k *killing) identity.Effect {
			return k.says(identity.WorkerRehired, map[string]any{"effectiveDate": k.now.AddDate(0, 0, 9)})
		}, identity.StateLeft},
		"reinstating": {func(k *killing) identity.Effect { return k.reinstate().Effect }, identity.StateActive},
		"reinstating whoever HR has left": {func(k *killing) identity.Effect {
			k.says(identity.WorkerLeft, map[string]any{})
			return k.reinstate().Effect
		}, identity.StateLeft},
		"another kill after it was lifted": {func(k *killing) identity.Effect {
			k.reinstate()
			return k.kill().Effect
		}, identity.StateLeft},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKilling(t)
			k.plan(k.id)
			killed := k.kill()
			require.Equal(t, identity.EffectLeave, killed.Effect)
			require.Equal(t, k.now, killed.At)
			row := k.row()
			require.Equal(t, identity.StateLeft, row.State)
			require.True(t, row.Immediate)
			require.Equal(t, "a reason", row.Reason)
			require.Equal(t, k.now, row.EndsAt.UTC())
			plan := k.plan(k.id)
			require.True(t, plan.Steps[0].Urgent, "everything is taken away, before other work")

			each.then(k)
			require.Equal(t, each.want, k.row().State)
			k.plan(k.id)
			require.Equal(t, each.want, k.row().State, "as a run sees it")
		})
	}
}

func TestARehireThatIsToComeLiftsAKillOnItsDay(t *testing.T) {
	t.Parallel()
	k := newKilling(t)
	k.kill()
	k.says(identity.WorkerRehired, map[string]any{"effectiveDate": k.now.AddDate(0, 0, 9)})
	require.Equal(t, 0, k.count(`select count(*) from identities where state <> 'left'`))
	k.now = k.now.AddDate(0, 0, 10)
	k.plan(k.id)
	require.Equal(t, identity.StateActive, k.row().State)
}

// However often, and by however many at once, a kill is asked for, it is one decision.
func TestAKillIsOneDecision(t *testing.T) {
	t.Parallel()
	k := newKilling(t)
	first := k.kill()
	again := k.kill()
	require.Equal(t, lifecycle.Killed{Identity: k.id, Effect: identity.EffectNone, At: first.At}, again)
	k.reinstate()
	require.Equal(t, identity.EffectNone, k.reinstate().Effect, "of somebody who is not killed")

	var group errgroup.Group
	for range 20 {
		group.Go(func() error {
			_, err := k.service.Kill(t.Context(), org, lifecycle.Caller{Actor: "test"}, k.id.String(), "at once")
			return err
		})
	}
	require.NoError(t, group.Wait())
	require.Equal(t, 3, k.count(`select count(*) from source_records where source = 'tenure'`), "two kills and what lifted the first")
	require.Equal(t, 2, k.count(`select count(*) from audit where action = 'identity.killed'`))
}

// A feed that calls itself what decisions are kept under is a feed, and decides nothing.
func TestAFeedNamedLikeDecisionsLiftsNoKill(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "organization: "+org+"\ntimeZone: UTC\n"+targets)
	says := func(kind identity.EventType) {
		h.accept(h.event(identity.DecisionSource, kind, map[string]any{"employeeId": "1", "startDate": "2020-01-01"}))
	}
	says(identity.WorkerJoined)
	require.Equal(t, 1, h.count(`select count(*) from identities where state = 'active'`))
	_, err := h.service.Kill(t.Context(), org, lifecycle.Caller{Actor: "test"}, "1", "a reason")
	require.NoError(t, err)
	says(identity.WorkerChanged)
	says(identity.WorkerJoined)
	require.Equal(t, 1, h.count(`select count(*) from identities where state = 'left'`))
}

// The last decision counts, also when the clock was set back in between.
func TestADecisionComesAfterTheOneBefore(t *testing.T) {
	t.Parallel()
	k := newKilling(t)
	k.kill()
	k.now = k.now.Add(-time.Hour)
	require.Equal(t, identity.EffectRehire, k.reinstate().Effect)
}

func TestAKillIsRefusedWithoutAReasonOrAPerson(t *testing.T) {
	t.Parallel()
	k := newKilling(t)
	for name, each := range map[string]struct {
		person, reason string
		want           identity.Code
	}{
		"no reason":        {"1", " \n", identity.Invalid},
		"a long reason":    {"1", strings.Repeat("ü", lifecycle.MaxReason+1), identity.Invalid},
		"NUL":              {"1", "a\x00", identity.Invalid},
		"no UTF-8":         {"1", "\xff", identity.Invalid},
		"nobody":           {"2", "why", identity.NotFound},
		"an unknown id":    {uuid.NewString(), "why", identity.NotFound},
		"an empty name":    {"", "why", identity.NotFound},
		"NUL in the name":  {"1\x00", "why", identity.NotFound},
		"no UTF-8 in name": {"\xff", "why", identity.NotFound},
	} {
		_, err := k.service.Kill(t.Context(), org, lifecycle.Caller{Actor: "test"}, each.person, each.reason)
		require.Equal(t, each.want, identity.ErrorCode(err), "%s: %v", name, err)
	}
	_, err := k.service.Kill(t.Context(), org, lifecycle.Caller{Actor: "test"}, "1", strings.Repeat("ü", lifecycle.MaxReason))
	require.NoError(t, err)
}
