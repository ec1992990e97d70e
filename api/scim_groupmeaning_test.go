package api_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
)

const groupPolicy = `targets:
  - {name: crm, connector: scim, settings: {baseUrl: "http://127.0.0.1:1", token: env:X}, attributes: {userName: person.userName}, entitlements: [{name: All}]}
roles:
  - {name: seller, kind: technical, target: crm, entitlements: [{name: All}]}
birthright:
  - {name: sellers, when: '"Sales" in groups', roles: [seller]}
`

// groupMeaning plays one row.
type groupMeaning struct {
	directory

	people map[string]string // ids by name
	inner  string
	group  string
}

func (m *groupMeaning) request(what string) scimAnswer {
	m.h.t.Helper()
	ids := func(names string) string {
		var list []string
		for name := range strings.SplitSeq(names, " and ") {
			switch name {
			case "Inner":
				list = append(list, m.inner)
			case "a stranger":
				list = append(list, uuid.NewString())
			default:
				require.Contains(m.h.t, m.people, name)
				list = append(list, m.people[name])
			}
		}
		return membersOf(list...)
	}
	path := "/Groups/" + m.group
	name := m.get(path + "?attributes=displayName").get("displayName")
	verb, rest, _ := strings.Cut(what, " ")
	switch {
	case what == "PATCH remove all":
		return m.patch(path, `{"op":"remove","path":"members"}`)
	case what == "PATCH remove all, then add ada and bob":
		return m.patch(path, fmt.Sprintf(`{"op":"remove","path":"members"},{"op":"add","path":"members","value":[%s]}`, ids("ada and bob")))
	case what == "PATCH externalId":
		return m.patch(path, `{"op":"add","path":"externalId","value":"g7"}`)
	case what == "PUT without members":
		return m.put(path, fmt.Sprintf(`{"displayName":%q,"externalId":"g8"}`, name))
	case what == "PUT with no members":
		return m.put(path, fmt.Sprintf(`{"displayName":%q,"members":[]}`, name))
	case verb == "DELETE":
		return m.delete(path)
	case what == "PATCH displayName Support and remove ada":
		return m.patch(path, fmt.Sprintf(`{"op":"replace","path":"displayName","value":"Support"},{"op":"remove","path":"members","value":[%s]}`, ids("ada")))
	case verb == "PUT" && strings.Contains(rest, " with "):
		to, members, _ := strings.Cut(rest, " with ")
		return m.put(path, fmt.Sprintf(`{"displayName":%q,"members":[%s]}`, to, ids(members)))
	case verb == "PUT":
		return m.put(path, fmt.Sprintf(`{"displayName":%q,"members":[%s]}`, name, ids(rest)))
	case verb == "POST":
		of, members, _ := strings.Cut(rest, " with ")
		return m.post("/Groups", fmt.Sprintf(`{"displayName":%q,"members":[%s]}`, of, ids(members)))
	}
	for prefix, operation := range map[string]string{"add ": `{"op":"add","path":"members","value":[%s]}`, "remove ": `{"op":"remove","path":"members","value":[%s]}`,
		"replace by ": `{"op":"replace","path":"members","value":[%s]}`} {
		if names, ok := strings.CutPrefix(rest, prefix); ok {
			return m.patch(path, fmt.Sprintf(operation, ids(names)))
		}
	}
	to, ok := strings.CutPrefix(rest, "displayName ")
	require.True(m.h.t, ok, what)
	return m.patch(path, fmt.Sprintf(`{"op":"replace","path":"displayName","value":%q}`, to))
}

func TestSCIMMeaningOfGroups(t *testing.T) {
	t.Parallel()
	h := start(t)
	for i, row := range docTable(t, "../docs/scim/meaning.md", "Groups") {
		t.Run(row[0]+": "+row[1], func(t *testing.T) {
			d := h.directory(fmt.Sprint("row", i), groupPolicy).on(t)
			m := &groupMeaning{directory: d, people: map[string]string{}, inner: d.group("Inner")}
			for _, name := range []string{"ada", "bob", "eve"} {
				m.people[name] = m.user(name)
			}
			if row[0] != "none" {
				m.group = m.directory.group(row[0], m.people["ada"], m.people["bob"])
			}
			before := m.versions()
			status, scimType, _ := strings.Cut(row[2], " ")
			answer := m.request(row[1])
			require.Equal(t, status, fmt.Sprint(answer.status), string(answer.body))
			if answer.status >= http.StatusBadRequest {
				answer.refused(answer.status, scimType)
			}
			after, planned := m.versions(), []string{}
			for _, name := range slices.Sorted(maps.Keys(m.people)) {
				if after[name] != before[name] {
					planned = append(planned, name)
				}
			}
			want := row[3]
			if want == "nobody" {
				want = ""
			}
			require.Equal(t, want, strings.Join(planned, ", "))
		})
	}
}

// Whom HR still reports when the directory deletes the User loses what the User's groups gave.
func TestSCIMADeletedUserLeavesGroups(t *testing.T) {
	t.Parallel()
	h := start(t)
	for org, row := range map[string]struct {
		group   string
		planned int64
	}{"sales": {"Sales", 1}, "other": {"Other", 0}} {
		d := h.directory(org, meaningPolicy+groupPolicy)
		m := &meaning{directory: d, hr: tenant{h: h, id: org, hr: h.token(org, "hr")}}
		m.known()
		m.active()
		group := &groupMeaning{directory: d, people: map[string]string{"ada": m.person}, group: d.group(row.group, m.user)}
		before := group.versions()["ada"]
		m.delete(m.path()).is(http.StatusNoContent)
		require.Equal(t, before+row.planned, group.versions()["ada"], org)
		require.Equal(t, []string{"scim.group.changed", "scim.group.members"}, d.recorded(group.group)[2:], "the group's record says who went")
	}
}

// recorded are the actions in the record of a resource.
func (d directory) recorded(id string) (actions []string) {
	d.h.t.Helper()
	require.NoError(d.h.t, d.h.store.InOrg(d.h.t.Context(), d.org, func(tx *store.Tx) error {
		rows, err := tx.Query(d.h.t.Context(), `select action from audit where org = $1 and object_id = $2 order by id`, d.org, id)
		if err != nil {
			return err
		}
		actions, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	}))
	return actions
}

// Who is planned anew for a group waits behind everybody else, but for who has left: that stays a leave.
func TestSCIMGroupChangesGoLast(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", groupPolicy)
	ada, bob := d.user("ada"), d.user("bob", `"active":false`)
	group := d.group("Sales")
	d.deliver()
	require.Empty(t, d.waiting())
	d.patch("/Groups/"+group, `{"op":"add","path":"members","value":[`+membersOf(ada, bob)+`]}`).is(http.StatusOK)
	require.Equal(t, map[string]identity.Class{ada: identity.ClassBulk, bob: identity.ClassLeave}, d.waiting())
	d.deliver()
	d.patch("/Groups/"+group, `{"op":"replace","path":"displayName","value":"Others"}`).is(http.StatusOK)
	require.Equal(t, map[string]identity.Class{ada: identity.ClassBulk, bob: identity.ClassLeave}, d.waiting())
	d.patch("/Users/"+ada, `{"op":"replace","path":"title","value":"T"}`).is(http.StatusOK)
	require.Equal(t, identity.ClassChange, d.waiting()[ada], "a change of their own is not held up by that of a group")
}

// deliver takes all that waits out of the outbox, as the relay does.
func (d directory) deliver() {
	d.h.t.Helper()
	ctx, now := d.h.t.Context(), d.h.clock.now()
	leaves, err := d.h.store.ClaimUrgent(ctx, now, time.Minute, 100)
	require.NoError(d.h.t, err)
	others, err := d.h.store.Claim(ctx, now, time.Minute, store.Room{Pokes: 100, Engine: 1000})
	require.NoError(d.h.t, err)
	require.NoError(d.h.t, d.h.store.Delivered(ctx, now, append(leaves, others...)))
}

// waiting are the classes of the pokes in the outbox, by identity.
func (d directory) waiting() map[string]identity.Class {
	d.h.t.Helper()
	classes := map[string]identity.Class{}
	require.NoError(d.h.t, d.h.store.InOrg(d.h.t.Context(), d.org, func(tx *store.Tx) error {
		rows, err := tx.Query(d.h.t.Context(), `select identity_id::text, class from outbox where org = $1`, d.org)
		if err != nil {
			return err
		}
		var id string
		var class identity.Class
		_, err = pgx.ForEachRow(rows, []any{&id, &class}, func() error {
			classes[id] = class
			return nil
		})
		return err
	}))
	return classes
}

// versions are those of the identities, by name.
func (m *groupMeaning) versions() map[string]int64 {
	m.h.t.Helper()
	versions := map[string]int64{}
	require.NoError(m.h.t, m.h.store.InOrg(m.h.t.Context(), m.org, func(tx *store.Tx) error {
		for name, id := range m.people {
			person, err := tx.ViewOf(m.h.t.Context(), uuid.MustParse(id))
			if err != nil {
				return err
			}
			versions[name] = person.Version
		}
		return nil
	}))
	return versions
}
