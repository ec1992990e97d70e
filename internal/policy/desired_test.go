package policy_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
)

func TestDesiredOfSomeoneActive(t *testing.T) {
	t.Parallel()
	desired, err := example(t).Desired(salesperson())
	require.NoError(t, err)

	crm := desired.Accounts["crm"]
	require.True(t, crm.Enabled)
	require.Equal(t, map[string]any{
		"userName":                       "jmueller",
		"displayName":                    "Jörg Müller",
		"title":                          nil,
		"emails[type eq \"work\"].value": "jmueller@acme.example",
		"manager":                        nil,
		"level":                          float64(0),
		"tags":                           []any{"Sales", "Berlin"},
	}, crm.Attributes)
	require.Equal(t, []policy.Reason{
		{Rule: "everyone"},
		{Rule: "everyone", Role: "crm-user"},
		{Rule: "sales-people", Role: "sales → crm-user"},
		{Rule: "sales-people", Role: "sales → crm-full"},
	}, crm.Reasons)
	require.Equal(t, []policy.DesiredGrant{
		{Kind: "group", Name: "Everyone", Reasons: []policy.Reason{
			{Rule: "everyone", Role: "crm-user"}, {Rule: "sales-people", Role: "sales → crm-user"},
		}},
		{Kind: "group", Name: "Sales", Reasons: []policy.Reason{{Rule: "sales-people", Role: "sales → crm-full"}}},
		{Kind: "licence", Name: "Full", Reasons: []policy.Reason{{Rule: "sales-people", Role: "sales → crm-full"}}},
	}, crm.Grants)
	require.Equal(t, []policy.Reason{{Rule: "sales-people", Role: "sales → wiki-author"}}, desired.Accounts["wiki"].Reasons,
		"a role gives the account that its grants need")
	require.Zero(t, desired.NextChange)
}

func TestDesiredByState(t *testing.T) {
	t.Parallel()
	const (
		nothing  = "nothing"
		disabled = "disabled"
		enabled  = "enabled"
	)
	day := 24 * time.Hour
	for name, test := range map[string]struct {
		state      identity.State
		starts     time.Time
		crm, wiki  string
		nextChange time.Time
	}{
		"active":                 {state: identity.StateActive, crm: enabled, wiki: enabled},
		"suspended":              {state: identity.StateSuspended, crm: disabled, wiki: disabled},
		"leaving":                {state: identity.StateLeaving, crm: nothing, wiki: nothing},
		"left":                   {state: identity.StateLeft, crm: nothing, wiki: nothing},
		"staged, no start known": {state: identity.StateStaged, crm: nothing, wiki: nothing},
		"staged, before both windows": {
			state: identity.StateStaged, starts: asOf.Add(10 * day), crm: nothing, wiki: nothing, nextChange: asOf.Add(3 * day),
		},
		"staged, first window opens": {
			state: identity.StateStaged, starts: asOf.Add(7 * day), crm: disabled, wiki: nothing, nextChange: asOf.Add(5 * day),
		},
		"staged, inside both windows": {state: identity.StateStaged, starts: asOf.Add(2 * day), crm: disabled, wiki: disabled},
		"staged, past the start":      {state: identity.StateStaged, starts: asOf.Add(-day), crm: disabled, wiki: disabled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, s := example(t), salesperson()
			s.State, s.StartsAt = test.state, test.starts
			desired, err := p.Desired(s)
			require.NoError(t, err)
			for target, want := range map[string]string{"crm": test.crm, "wiki": test.wiki} {
				account, ok := desired.Accounts[target]
				got := nothing
				switch {
				case ok && account.Enabled:
					got = enabled
				case ok:
					got = disabled
				}
				require.Equal(t, want, got, target)
				require.Equal(t, ok, len(account.Grants) > 0, "grants are prepared with the account")
			}
			require.Equal(t, test.nextChange, desired.NextChange)
		})
	}
}

func TestDesiredRefusesAStateItDoesNotKnow(t *testing.T) {
	t.Parallel()
	s := salesperson()
	s.State = "asleep"
	_, err := example(t).Desired(s)
	require.ErrorContains(t, err, `no state "asleep"`)
}

func TestDesiredLooksAtTheManager(t *testing.T) {
	t.Parallel()
	p, s := example(t), salesperson()
	s.Attributes.Department = "Legal"
	without, err := p.Desired(s)
	require.NoError(t, err)
	require.NotContains(t, without.Accounts, "wiki")

	s.Manager = &identity.Attributes{DisplayName: "Inês", Location: "Lisbon"}
	managed, err := p.Desired(s)
	require.NoError(t, err)
	require.Equal(t, []policy.Reason{{Rule: "managed-from-lisbon"}}, managed.Accounts["wiki"].Reasons)
	require.Empty(t, managed.Accounts["wiki"].Grants)
	require.Equal(t, "Inês", managed.Accounts["crm"].Attributes["manager"])
	require.True(t, p.RefersToManager())
	require.False(t, with(t, "").RefersToManager())
}

// A leave must not depend on expressions: a policy that cannot be evaluated for someone still lets them go.
func TestDesiredOfALeaverNeedsNoEvaluation(t *testing.T) {
	t.Parallel()
	p := broken(t, `person.custom.absent == "x"`)
	s := salesperson()
	_, err := p.Desired(s)
	require.Error(t, err)
	s.State = identity.StateLeaving
	desired, err := p.Desired(s)
	require.NoError(t, err)
	require.Empty(t, desired.Accounts)
}

func TestDesiredNeedsTheCorrelatingAttribute(t *testing.T) {
	t.Parallel()
	s := salesperson()
	s.UserName = ""
	_, err := example(t).Desired(s)
	require.Equal(t, identity.Invalid, identity.ErrorCode(err))
	require.ErrorContains(t, err, "targets[crm].attributes.userName: is no text for this person")
}

func TestDesiredIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	p := example(t)
	want, err := p.Desired(salesperson())
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 200 {
				got, err := p.Desired(salesperson())
				if err != nil || len(policy.Diff(want, got)) > 0 {
					t.Errorf("got %v, %v", got, err)
					return
				}
			}
		})
	}
	group.Wait()
}

func TestTodayIsThePersonsOwn(t *testing.T) {
	t.Parallel()
	p := with(t, `
timeZone: Europe/Berlin
targets:
  - {name: crm, connector: scim, correlate: id, attributes: {id: person.employeeId, day: today}}
birthright:
  - {name: all, when: true, accounts: [crm]}
`)
	at := time.Date(2026, 3, 10, 23, 30, 0, 0, time.UTC)
	for zone, test := range map[string]struct {
		day  string
		next time.Time
	}{
		"":                 {"2026-03-11", time.Date(2026, 3, 11, 23, 0, 0, 0, time.UTC)},
		"no/such":          {"2026-03-11", time.Date(2026, 3, 11, 23, 0, 0, 0, time.UTC)},
		"Pacific/Honolulu": {"2026-03-10", time.Date(2026, 3, 11, 10, 0, 0, 0, time.UTC)},
		"Pacific/Auckland": {"2026-03-11", time.Date(2026, 3, 11, 11, 0, 0, 0, time.UTC)},
	} {
		s := salesperson()
		s.Attributes.TimeZone, s.AsOf = zone, at
		desired, err := p.Desired(s)
		require.NoError(t, err)
		require.Equal(t, test.day, desired.Accounts["crm"].Attributes["day"], zone)
		require.True(t, test.next.Equal(desired.NextChange), "%s: %s", zone, desired.NextChange)
	}
}

// In Beirut the clocks of 29 March 2026 go from 0:00 to 1:00: that day has no midnight.
func TestNextDayWithoutMidnight(t *testing.T) {
	t.Parallel()
	p := with(t, `
targets:
  - {name: crm, connector: scim, correlate: id, attributes: {id: person.employeeId, day: today}}
birthright:
  - {name: all, when: true, accounts: [crm]}
`)
	s := salesperson()
	s.Attributes.TimeZone, s.AsOf = "Asia/Beirut", time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)
	desired, err := p.Desired(s)
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 3, 28, 22, 0, 0, 0, time.UTC), desired.NextChange.UTC())
	s.AsOf = desired.NextChange
	then, err := p.Desired(s)
	require.NoError(t, err)
	require.Equal(t, "2026-03-29", then.Accounts["crm"].Attributes["day"])
}
