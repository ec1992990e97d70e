package api_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/store"
)

// Entra ID renames whom it deletes, so that the name is free. That is no rename of the person.
func TestSCIMEntraFreesTheNameOfWhomItDeletes(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	id := d.user("ada@acme.example", `"externalId":"e1"`)
	renamed := d.patch("/Users/"+id, `{"op":"Replace","path":"active","value":"False"},{"op":"Replace","path":"userName","value":"0123456789abcdef0123456789abcdefada@acme.example"}`).is(http.StatusOK)
	require.Equal(t, "0123456789abcdef0123456789abcdefada@acme.example", renamed.text("userName"))
	require.NoError(t, d.h.store.InOrg(t.Context(), "acme", func(tx *store.Tx) error {
		person, err := tx.ViewOf(t.Context(), uuid.MustParse(id))
		require.Equal(t, "ada@acme.example", person.Attributes.UserName)
		return err
	}))
	require.NotEqual(t, id, d.user("ada@acme.example", `"externalId":"e2"`))
}

// A manager who comes later is the manager from then on, and so is the User of the same operation.
func TestSCIMManagerComesLater(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	boss := d.user("boss")
	ada := d.user("ada", managedBy(boss))
	d.delete("/Users/" + boss).is(http.StatusNoContent)
	bob := d.bulk("", creating("/Users", "bob", userOf("bob", managedBy("bulkId:late")))+","+creating("/Users", "late", userOf("late"))+","+
		creating("/Users", "own", userOf("own", managedBy("bulkId:own")))).is(http.StatusOK)
	own := bob.resourceID(2)
	for user, manager := range map[string]string{ada: boss, bob.resourceID(0): bob.resourceID(1), own: own} {
		require.NoError(t, d.h.store.InOrg(t.Context(), "acme", func(tx *store.Tx) error {
			person, err := tx.ViewOf(t.Context(), uuid.MustParse(user))
			require.NotNil(t, person.ManagerID)
			require.Equal(t, manager, person.ManagerID.String())
			return err
		}))
	}
}

// A User who does not say for active is active, and is found as such.
func TestSCIMActiveIsTrueUnlessSaid(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	made := d.post("/Users", userOf("ada")).is(http.StatusCreated)
	require.Equal(t, true, made.get("active"))
	require.Equal(t, []string{made.text("id")}, d.get(query("/Users", "filter", "active eq true")).ids())
	require.Equal(t, true, d.put("/Users/"+made.text("id"), userOf("ada", `"title":"T"`)).is(http.StatusOK).get("active"))
}

// Nobody enforces that an externalId is unique (RFC 7643, section 3.1), and nobody guesses who has it: a second User with it is
// made, and a person decides who that is. Linked, the person is here as long as one of the Users is active.
func TestSCIMAnExternalIDOfTwo(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	first := d.user("ada", `"externalId":"1"`)
	second, third := d.user("ada.king", `"externalId":"1"`), d.user("ada.lovelace", `"externalId":"1"`)
	require.ElementsMatch(t, []string{first, second, third}, d.get(query("/Users", "filter", `externalId eq "1"`)).ids())
	require.Equal(t, 1, d.count("identities"))
	cases := map[string]store.Case{}
	require.NoError(t, d.h.store.InOrg(t.Context(), "acme", func(tx *store.Tx) error {
		list, err := tx.Cases(t.Context(), false)
		for _, c := range list {
			require.Equal(t, "externalId", c.Rule)
			require.Equal(t, []uuid.UUID{uuid.MustParse(first)}, c.Candidates)
			cases[c.EmployeeID] = c
		}
		return err
	}))
	require.Len(t, cases, 2)
	resolve := func(user, resolution string) {
		_, err := d.h.service.ResolveCase(t.Context(), "acme", lifecycle.Caller{Actor: "cli:test"}, cases[user].ID, resolution, uuid.MustParse(first))
		require.NoError(t, err)
	}
	state := func() identity.State {
		var person store.View
		require.NoError(t, d.h.store.InOrg(t.Context(), "acme", func(tx *store.Tx) (err error) {
			person, err = tx.ViewOf(t.Context(), uuid.MustParse(first))
			return err
		}))
		return person.State
	}
	resolve(second, lifecycle.ResolveLink)
	resolve(third, lifecycle.ResolveKeepApart)
	require.Equal(t, 2, d.count("identities"))
	d.h.clock.advance(time.Hour)
	d.delete("/Users/" + first).is(http.StatusNoContent)
	require.Equal(t, identity.StateActive, state(), "the other User is active")
	d.patch("/Users/"+second, `{"op":"replace","path":"active","value":false}`).is(http.StatusOK)
	require.Equal(t, identity.StateLeft, state())

	eve := d.user("eve", `"externalId":"2"`)
	d.patch("/Users/"+eve, `{"op":"replace","path":"externalId","value":"1"}`).is(http.StatusOK)
	d.put("/Users/"+eve, userOf("eve", `"externalId":"2"`)).is(http.StatusOK)
	groups := []string{d.post("/Groups", `{"displayName":"A","externalId":"g"}`).is(http.StatusCreated).text("id"), d.post("/Groups", `{"displayName":"B","externalId":"g"}`).is(http.StatusCreated).text("id")}
	require.ElementsMatch(t, groups, d.get(query("/Groups", "filter", `externalId eq "g"`)).ids())
}

// Of two Users with one externalId who come at once only one is a person at once, however close they are.
func TestSCIMAnExternalIDOfTwoAtOnce(t *testing.T) {
	t.Parallel()
	const rounds = 30
	d := start(t).directory("acme", "")
	for round := range rounds {
		statuses := d.atOnce(2, func(i int) scimAnswer {
			return d.post("/Users", userOf(fmt.Sprintf("user%d.%d", round, i), fmt.Sprintf(`"externalId":"%d"`, round)))
		})
		require.Equal(t, map[int]int{201: 2}, statuses)
	}
	require.Equal(t, rounds, d.count("identities"))
	require.Equal(t, rounds, d.count("cases"))
}
