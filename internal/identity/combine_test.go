package identity_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
)

func relationship(e identity.Entry, id string) identity.Entry {
	e.RelationshipID = id
	return e
}

func TestSeveralRelationships(t *testing.T) {
	t.Parallel()
	entries := []identity.Entry{
		relationship(said(t, "1", joined, "2026-01-01T00:00:00Z", `"givenName":"Ada","department":"a","lastDay":"2026-03-31","reason":"resigned"`), "r1"),
		relationship(said(t, "2", joined, "2026-01-02T00:00:00Z", `"department":"b","startDate":"2026-03-01","endDate":"2026-06-30"`), "r2"),
		relationship(said(t, "3", leaveStarted, "2026-01-02T00:00:00Z", `"effectiveDate":"2026-05-01"`), "r2"),
	}
	moments{
		{"2026-01-15T00:00:00Z", "active dept=a"},    // r2 is staged
		{"2026-03-15T00:00:00Z", "active dept=b"},    // both are active; r2 started later
		{"2026-04-15T00:00:00Z", "active dept=b"},    // r1 is over
		{"2026-05-15T00:00:00Z", "suspended dept=b"}, // r2 is on leave
		{"2026-07-15T00:00:00Z", "left dept=b"},      // both are over
	}.check(t, entries, time.UTC)

	record := identity.Fold("hr", entries, at(t, "2026-03-15T00:00:00Z"), time.UTC)
	require.Equal(t, "Ada", record.Situation.Attributes.GivenName, "what belongs to the person comes from any relationship")
	require.Equal(t, at(t, "2026-07-01T00:00:00Z"), record.Situation.EndsAt, "the person's end is the last one")
	require.Equal(t, at(t, "2026-04-01T00:00:00Z"), record.Situation.NextChange)
	require.Equal(t, []string{"r1", "r2"}, []string{record.Relationships[0].ID, record.Relationships[1].ID})
	require.Equal(t, at(t, "2026-04-01T00:00:00Z"), record.Relationships[0].Situation.EndsAt)
	require.Equal(t, "resigned", record.Relationships[0].Situation.Reason)

	unnamed := said(t, "4", left, "2026-02-01T00:00:00Z", "")
	require.True(t, identity.AmbiguousRelationship(entries, unnamed.Event))
	require.False(t, identity.AmbiguousRelationship(entries[:1], unnamed.Event))
	require.False(t, identity.AmbiguousRelationship(entries, relationship(unnamed, "r2").Event))
	require.False(t, identity.AmbiguousRelationship(entries, said(t, "5", rescinded, "2026-02-01T00:00:00Z", `"rescinds":"1"`).Event))
	record = identity.Fold("hr", append(entries, unnamed), at(t, "2026-02-02T00:00:00Z"), time.UTC)
	require.Equal(t, identity.StateLeft, record.Relationships[0].Situation.State, "the first relationship takes what names none")
	require.Equal(t, identity.StateStaged, record.Situation.State)
}

func TestOfTwoLeavesAtOnceTheImmediateOneCounts(t *testing.T) {
	t.Parallel()
	entries := []identity.Entry{
		relationship(said(t, "1", left, "2026-01-01T00:00:00Z", `"reason":"a"`), "r1"),
		relationship(said(t, "2", left, "2026-01-01T00:00:00Z", `"immediate":true,"reason":"b"`), "r2"),
		relationship(said(t, "3", left, "2026-01-01T00:00:00Z", `"reason":"c"`), "r3"),
		relationship(said(t, "4", left, "2025-01-01T00:00:00Z", `"immediate":true,"reason":"d"`), "r4"),
	}
	s := identity.Fold("hr", entries, at(t, "2026-02-01T00:00:00Z"), time.UTC).Situation
	require.True(t, s.Immediate)
	require.Equal(t, "b", s.Reason)
	s = identity.Fold("hr", append(entries[:1:1], entries[2:]...), at(t, "2026-02-01T00:00:00Z"), time.UTC).Situation
	require.False(t, s.Immediate, "an old immediate leave does not make a new one immediate")
}

func TestUnnamedRelationship(t *testing.T) {
	t.Parallel()
	only := said(t, "1", joined, "2026-01-01T00:00:00Z", "")
	asOf := at(t, "2026-02-01T00:00:00Z")
	require.Equal(t, "default", identity.Fold("hr", []identity.Entry{only}, asOf, time.UTC).Relationships[0].ID)
	named := relationship(said(t, "2", left, "2026-01-02T00:00:00Z", ""), "r1")
	record := identity.Fold("hr", []identity.Entry{only, named}, asOf, time.UTC)
	require.Len(t, record.Relationships, 1)
	require.Equal(t, "r1", record.Relationships[0].ID)
	require.Equal(t, identity.StateLeft, record.Situation.State)
}

func TestCombineTakesEachAttributeFromTheStrongestSource(t *testing.T) {
	t.Parallel()
	fold := func(source, data string) identity.Record {
		return identity.Fold(source, []identity.Entry{said(t, source, changed, "2026-01-01T00:00:00Z", data)}, at(t, "2026-02-01T00:00:00Z"), time.UTC)
	}
	hr := fold("hr", `"email":"hr@example.com","title":"x","custom":{"a":"hr","b":"hr","c":""}`)
	scim := fold("scim", `"email":"scim@example.com","department":"d","custom":{"a":"scim","c":"scim"}`)
	app := fold("app", `"email":"app@example.com","title":"y","location":"z"`)
	got := identity.Combine([]identity.Record{app, scim, hr}, identity.Precedence{
		Default:     []string{"hr", "scim"},
		ByAttribute: map[string][]string{"email": {"scim"}, "custom.a": {"scim", "hr"}},
	})
	require.Equal(t, identity.Attributes{
		EmployeeID: "1001", Email: "scim@example.com", Title: "x", Department: "d", Location: "z",
		Custom: map[string]any{"a": "scim", "b": "hr", "c": "scim"},
	}, got.Attributes)

	got = identity.Combine([]identity.Record{scim, app}, identity.Precedence{})
	require.Equal(t, "app@example.com", got.Attributes.Email, "sources that nothing ranks go by name")
	require.Equal(t, identity.StateLeft, identity.Combine(nil, identity.Precedence{}).State)
}

func TestCombineKeepsSomebodyActiveWhileAnySourceDoes(t *testing.T) {
	t.Parallel()
	asOf := at(t, "2026-02-01T00:00:00Z")
	gone := identity.Fold("hr", []identity.Entry{
		said(t, "1", left, "2026-01-01T00:00:00Z", `"immediate":true,"reason":"x"`),
	}, asOf, time.UTC)
	here := identity.Fold("scim", []identity.Entry{
		said(t, "2", changed, "2026-01-01T00:00:00Z", `"endDate":"2026-03-31"`),
	}, asOf, time.UTC)

	both := identity.Combine([]identity.Record{gone, here}, identity.Precedence{})
	require.Equal(t, identity.StateActive, both.State)
	require.False(t, both.Immediate)
	require.Equal(t, at(t, "2026-04-01T00:00:00Z"), both.EndsAt)
	require.Equal(t, at(t, "2026-04-01T00:00:00Z"), both.NextChange)

	alone := identity.Combine([]identity.Record{gone}, identity.Precedence{})
	require.Equal(t, identity.StateLeft, alone.State)
	require.True(t, alone.Immediate)
	require.Equal(t, "x", alone.Reason)
	require.Equal(t, at(t, "2026-01-01T00:00:00Z"), alone.EndsAt)
}

func TestDerive(t *testing.T) {
	t.Parallel()
	const start = "2026-01-05T09:00:00Z"
	for name, test := range map[string]struct {
		before []identity.Entry // nil: never heard of
		event  identity.Entry
		want   identity.Effect
	}{
		"join":                  {nil, said(t, "2", joined, start, ""), identity.EffectJoin},
		"join ahead":            {nil, said(t, "2", joined, start, `"startDate":"2026-03-01"`), identity.EffectJoin},
		"join in effect later":  {nil, said(t, "2", joined, start, `"effectiveDate":"2026-03-01"`), identity.EffectJoin},
		"unknown on leave":      {nil, said(t, "2", leaveStarted, start, ""), identity.EffectJoin},
		"unknown leaver":        {nil, said(t, "2", left, start, ""), identity.EffectNone},
		"unknown rescission":    {nil, said(t, "2", rescinded, start, `"rescinds":"9"`), identity.EffectNone},
		"joined twice":          {active(t), said(t, "2", joined, start, ""), identity.EffectNone},
		"move":                  {active(t), said(t, "2", changed, start, `"title":"x"`), identity.EffectMove},
		"move ahead":            {active(t), said(t, "2", changed, start, `"title":"x","effectiveDate":"2026-03-01"`), identity.EffectScheduled},
		"no move ahead":         {active(t), said(t, "2", changed, start, `"title":null,"effectiveDate":"2026-03-01"`), identity.EffectNone},
		"last day ahead":        {active(t), said(t, "2", left, start, `"lastDay":"2026-03-01","reason":"resigned"`), identity.EffectScheduled},
		"leave":                 {active(t), said(t, "2", left, start, ""), identity.EffectLeave},
		"leave by a change":     {active(t), said(t, "2", changed, start, `"lastDay":"2026-01-04"`), identity.EffectLeave},
		"leave by rescission":   {active(t), said(t, "2", rescinded, start, `"rescinds":"1"`), identity.EffectLeave},
		"suspend":               {active(t), said(t, "2", leaveStarted, start, ""), identity.EffectSuspend},
		"start put off":         {active(t), said(t, "2", changed, start, `"startDate":"2026-03-01"`), identity.EffectMove},
		"start corrected":       {active(t), said(t, "2", changed, start, `"startDate":"2025-03-01"`), identity.EffectMove},
		"resume":                {gone(t, leaveStarted, ""), said(t, "3", leaveEnded, start, ""), identity.EffectResume},
		"rehire":                {gone(t, left, ""), said(t, "3", rehired, start, ""), identity.EffectRehire},
		"rehire ahead":          {gone(t, left, ""), said(t, "3", rehired, start, `"startDate":"2026-03-01"`), identity.EffectRehire},
		"rehire in effect then": {gone(t, left, ""), said(t, "3", rehired, start, `"effectiveDate":"2026-03-01"`), identity.EffectScheduled},
		"withdrawn":             {gone(t, left, `"lastDay":"2026-01-03"`), said(t, "3", changed, start, `"lastDay":null`), identity.EffectRehire},
		"withdrawn in time":     {gone(t, left, `"lastDay":"2026-03-03"`), said(t, "3", changed, start, `"lastDay":null`), identity.EffectScheduled},
		"now at once":           {gone(t, left, `"lastDay":"2026-01-03"`), said(t, "3", left, start, `"immediate":true`), identity.EffectMove},
		"staged and moved":      {gone(t, changed, `"startDate":"2026-03-03"`), said(t, "3", changed, start, `"startDate":"2026-03-04"`), identity.EffectScheduled},
		"staged and started":    {gone(t, changed, `"startDate":"2026-03-03"`), said(t, "3", changed, start, `"startDate":"2026-01-05"`), identity.EffectMove},
		"repeated":              {gone(t, left, ""), said(t, "2", left, "2026-01-03T00:00:00Z", ""), identity.EffectNone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asOf := at(t, start)
			situation := func(entries []identity.Entry) func(time.Time) identity.Situation {
				return func(asOf time.Time) identity.Situation {
					return identity.Combine([]identity.Record{identity.Fold("hr", entries, asOf, time.UTC)}, identity.Precedence{})
				}
			}
			var before *identity.Situation
			if test.before != nil {
				s := situation(test.before)(asOf)
				before = &s
			}
			all := append(append([]identity.Entry(nil), test.before...), test.event)
			scheduled := !identity.SameOutlook(identity.Outlook(asOf, situation(test.before)), identity.Outlook(asOf, situation(all)))
			require.Equal(t, test.want, identity.Derive(before, situation(all)(asOf), scheduled))
		})
	}
}

// active is somebody who works here.
func active(t *testing.T) []identity.Entry {
	t.Helper()
	return []identity.Entry{said(t, "1", joined, "2026-01-01T00:00:00Z", "")}
}

// gone is somebody of whom a second thing was said.
func gone(t *testing.T, kind identity.EventType, data string) []identity.Entry {
	t.Helper()
	return append(active(t), said(t, "2", kind, "2026-01-03T00:00:00Z", data))
}

func TestOutlookIsBounded(t *testing.T) {
	t.Parallel()
	asOf := at(t, "2026-01-01T00:00:00Z")
	ahead := identity.Outlook(asOf, func(at time.Time) identity.Situation {
		return identity.Situation{State: identity.StateActive, NextChange: at.Add(time.Hour)}
	})
	require.Len(t, ahead, 100)
	require.Equal(t, asOf.Add(99*time.Hour), ahead[99].At)
	require.True(t, identity.SameOutlook(ahead, ahead[:1]), "moments at which nothing changes do not count")
	stuck := identity.Outlook(asOf, func(at time.Time) identity.Situation { return identity.Situation{NextChange: at} })
	require.Len(t, stuck, 1)
}
