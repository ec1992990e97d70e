package store

import (
	"fmt"
	"testing"
	"unicode"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/scim"
)

// requireConflict: the write was refused because another resource has the attribute's value, or for its version if empty.
func requireConflict(t *testing.T, err error, field string) {
	t.Helper()
	var refusal *identity.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, identity.Conflict, refusal.Code)
	require.Equal(t, field, refusal.Field)
}

func TestScimUserNamesAreUniqueAndExternalIDsAreNot(t *testing.T) {
	t.Parallel()
	s := openScim(t, 2)
	insert := func(source, resource string) error {
		return s.InOrg(t.Context(), "acme", func(tx *Tx) error {
			return tx.InsertScimUser(t.Context(), &ScimUser{ID: uuid.New(), Source: source, Resource: []byte(resource)})
		})
	}
	require.NoError(t, insert("entra", `{"userName":"Ünal","externalId":"X"}`))
	for _, test := range []struct{ source, resource string }{
		{"entra", `{"userName":"ÜNAL"}`},
		{"okta", `{"userName":"Ünal"}`},
	} {
		requireConflict(t, insert(test.source, test.resource), "userName")
	}
	require.NoError(t, insert("entra", `{"userName":"b","externalId":"X"}`), "RFC 7643, section 3.1")
	require.NoError(t, insert("okta", `{"userName":"c","externalId":"X"}`), "another source")
	require.NoError(t, insert("entra", `{"userName":"d","externalId":"x"}`), "caseExact")
	require.NoError(t, insert("entra", `{"userName":"e"}`), "no externalId")
	require.Len(t, listUsers(t, s, `externalId eq "X"`), 3)
	for _, test := range []struct {
		externalID, userName string
		found                []string
	}{
		{"", "ünal", []string{"Ünal"}}, {"", "ÜNAL", []string{"Ünal"}}, {"", "unal", nil}, {"", "", nil}, {"none", "E", []string{"e"}}, {"X", "none", []string{"Ünal", "b"}},
		{"X", "B", []string{"b", "Ünal"}}, {"X", "c", []string{"Ünal", "b", "c"}}, {"x", "d", []string{"d"}},
	} {
		names := namesakes(t, s, test.externalID, test.userName)
		if test.userName == "B" {
			require.Equal(t, test.found, names)
		}
		require.ElementsMatch(t, test.found, names, test)
	}
}

// namesakes are the userNames of those of the source entra who could be meant.
func namesakes(t *testing.T, s scimStore, externalID, userName string) []string {
	t.Helper()
	var names []string
	inAcme(t, s, func(tx *Tx) {
		users, err := tx.ScimNamesakes(t.Context(), "entra", externalID, userName)
		require.NoError(t, err)
		names = nil
		for _, u := range users {
			r, err := scim.UserType().Load(u.Resource)
			require.NoError(t, err)
			names = append(names, r.Text("userName"))
		}
	})
	return names
}

// Of many with one externalId those are answered who matter: whose userName it was, and who is here.
func TestScimNamesakesAreFew(t *testing.T) {
	t.Parallel()
	s := openScim(t, 2)
	inAcme(t, s, func(tx *Tx) {
		for i := range 3 * maxScimNamesakes {
			u := &ScimUser{ID: uuid.New(), Source: "entra", Resource: fmt.Appendf(nil, `{"userName":"u%d","externalId":"1","active":%t}`, i, i == 7)}
			require.NoError(t, tx.InsertScimUser(t.Context(), u))
			if i%3 == 0 {
				_, err := tx.DeleteScimUser(t.Context(), u)
				require.NoError(t, err)
			}
		}
	})
	names := namesakes(t, s, "1", "U33")
	require.Len(t, names, maxScimNamesakes)
	require.Equal(t, []string{"u33", "u7"}, names[:2])
	require.Equal(t, "u34", namesakes(t, s, "1", "U34")[0])
}

func TestScimUserUpdates(t *testing.T) {
	t.Parallel()
	s := openScim(t, 2)
	u, other := newUser("ada"), newUser("ben")
	inAcme(t, s, func(tx *Tx) {
		require.NoError(t, tx.InsertScimUser(t.Context(), u))
		require.NoError(t, tx.InsertScimUser(t.Context(), other))
		require.Equal(t, int64(1), u.Version)
	})
	require.NotZero(t, u.CreatedAt)
	require.Equal(t, u.CreatedAt, u.ModifiedAt)
	old := *u
	inAcme(t, s, func(tx *Tx) {
		locked, err := tx.ScimUserForUpdate(t.Context(), u.ID, false)
		require.NoError(t, err)
		require.Equal(t, u.CreatedAt.UnixMicro(), locked.CreatedAt.UnixMicro())
		locked.Resource = []byte(`{"userName":"Ada L","emails":[{"value":"New@x.example"},{"value":"new@X.example","type":"home"},{"value":"b@x.example"},{"type":"other"}]}`)
		require.NoError(t, tx.UpdateScimUser(t.Context(), &locked))
		require.Equal(t, int64(2), locked.Version)
		u = &locked
	})
	require.True(t, u.ModifiedAt.After(old.ModifiedAt))
	stale := old
	requireConflict(t, s.InOrg(t.Context(), "acme", func(tx *Tx) error { return tx.UpdateScimUser(t.Context(), &stale) }), "")
	stale = old
	requireConflict(t, s.InOrg(t.Context(), "acme", func(tx *Tx) error { _, err := tx.DeleteScimUser(t.Context(), &stale); return err }), "")
	other.Resource = []byte(`{"userName":"ADA l"}`)
	requireConflict(t, s.InOrg(t.Context(), "acme", func(tx *Tx) error { return tx.UpdateScimUser(t.Context(), other) }), "userName")
	for email, want := range map[string]int{"new@x.example": 1, "b@x.example": 1, "c@x.example": 0} {
		require.Len(t, listUsers(t, s, `emails.value eq "`+email+`"`), want, email)
	}
	inAcme(t, s, func(tx *Tx) {
		u.Resource = []byte(`{"userName":"ada","emails":[{"value":"c@x.example"}]}`)
		require.NoError(t, tx.UpdateScimUser(t.Context(), u))
		u.Resource = []byte(`{"userName":"ada"}`)
		require.NoError(t, tx.UpdateScimUser(t.Context(), u))
	})
	require.Empty(t, listUsers(t, s, `emails.value sw ""`))
	_, err := s.ScimUser(t.Context(), "acme", uuid.New(), false)
	require.Equal(t, identity.NotFound, identity.ErrorCode(err))
}

// listUsers are the ids of acme's users that a filter yields.
func listUsers(t testing.TB, s scimStore, filter string) []uuid.UUID {
	t.Helper()
	page, err := s.ScimUsers(t.Context(), "acme", ScimQuery{Filter: userFilter(t, filter), Count: 100})
	require.NoError(t, err, filter)
	require.Equal(t, len(page.Resources), *page.Total)
	return idsOf(page.Resources, func(u ScimUser) uuid.UUID { return u.ID })
}

// TestARefusedScimUpdateKeepsNothing: that an update found another version is known before the commit, whatever is left to
// be written with it, and whether or not somebody minds.
func TestARefusedScimUpdateKeepsNothing(t *testing.T) {
	t.Parallel()
	s := openScim(t, 2)
	u := newUser("ada")
	inAcme(t, s, func(tx *Tx) { require.NoError(t, tx.InsertScimUser(t.Context(), u)) })
	change := func(title string, behind func(tx *Tx)) error {
		stale := *u
		stale.Version, stale.Resource = 7, []byte(`{"userName":"ada","title":"`+title+`","emails":[{"value":"new@x.example"}]}`)
		return s.InOrg(t.Context(), "acme", func(tx *Tx) error {
			require.NoError(t, tx.InsertIdentity(t.Context(), Identity{ID: uuid.New(), Version: 1, State: identity.StateActive}))
			require.NoError(t, tx.UpdateScimUser(t.Context(), &stale))
			behind(tx)
			return nil
		})
	}
	requireConflict(t, change("one", func(*Tx) {}), "")
	requireConflict(t, change("two", func(tx *Tx) {
		_, err := tx.Identity(t.Context(), uuid.New())
		requireConflict(t, err, "")
		require.NoError(t, tx.Audit(t.Context(), AuditEntry{Actor: "a", Action: "b", ObjectType: "c", ObjectID: "d"}))
	}), "")
	var identities, entries int
	inAcme(t, s, func(tx *Tx) {
		require.NoError(t, tx.QueryRow(t.Context(), `select (select count(*) from identities), (select count(*) from audit where action = 'b')`).Scan(&identities, &entries))
	})
	require.Zero(t, identities)
	require.Zero(t, entries)
	require.Empty(t, listUsers(t, s, `emails.value eq "new@x.example"`))
	require.Empty(t, listUsers(t, s, `title pr`))
}

func TestDeletedScimUsersAreGoneAndComeBack(t *testing.T) {
	t.Parallel()
	s := openScim(t, 2)
	resource := []byte(`{"userName":"ada","externalId":"1","emails":[{"value":"a@x.example"}]}`)
	first := &ScimUser{ID: uuid.New(), Source: "entra", Resource: resource}
	second := &ScimUser{ID: uuid.New(), Source: "entra", Resource: resource}
	found := func() []uuid.UUID {
		var ids []uuid.UUID
		inAcme(t, s, func(tx *Tx) {
			users, err := tx.ScimNamesakes(t.Context(), "entra", "1", "somebody")
			require.NoError(t, err)
			ids = idsOf(users, func(u ScimUser) uuid.UUID { return u.ID })
			none, err := tx.ScimNamesakes(t.Context(), "okta", "1", "somebody")
			require.NoError(t, err)
			require.Empty(t, none)
		})
		return ids
	}
	remove := func(u *ScimUser) {
		inAcme(t, s, func(tx *Tx) {
			_, err := tx.DeleteScimUser(t.Context(), u)
			require.NoError(t, err)
			require.NotNil(t, u.DeletedAt)
		})
	}
	require.Empty(t, found())
	inAcme(t, s, func(tx *Tx) { require.NoError(t, tx.InsertScimUser(t.Context(), first)) })
	remove(first)
	require.Equal(t, []uuid.UUID{first.ID}, found())
	_, err := s.ScimUser(t.Context(), "acme", first.ID, false)
	require.Equal(t, identity.NotFound, identity.ErrorCode(err))
	for _, filter := range []string{`userName eq "ada"`, `emails.value eq "a@x.example"`, `externalId eq "1"`, `id eq "` + first.ID.String() + `"`, `title ne "x"`, `id pr`} {
		require.Empty(t, listUsers(t, s, filter), filter)
	}
	inAcme(t, s, func(tx *Tx) { require.NoError(t, tx.InsertScimUser(t.Context(), second)) }) // the names are free
	require.Equal(t, []uuid.UUID{second.ID, first.ID}, found(), "who has it goes before who had it")
	requireConflict(t, s.InOrg(t.Context(), "acme", func(tx *Tx) error {
		back := *first
		back.DeletedAt = nil
		return tx.UpdateScimUser(t.Context(), &back)
	}), "userName")
	remove(second)
	require.Equal(t, []uuid.UUID{second.ID, first.ID}, found(), "who had it last")
	inAcme(t, s, func(tx *Tx) {
		locked, err := tx.ScimUserForUpdate(t.Context(), first.ID, false)
		require.NoError(t, err)
		require.NotNil(t, locked.DeletedAt)
		locked.DeletedAt = nil
		require.NoError(t, tx.UpdateScimUser(t.Context(), &locked))
	})
	for _, filter := range []string{`userName eq "ada"`, `emails.value eq "a@x.example"`, `id pr`} {
		require.Equal(t, []uuid.UUID{first.ID}, listUsers(t, s, filter), filter)
	}
}

// TestScimFold: texts are folded alike in Go and in SQL.
func TestScimFold(t *testing.T) {
	t.Parallel()
	s := openScim(t, 2)
	var all []string
	for r := rune(1); r <= unicode.MaxRune; r++ {
		if unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.S) {
			all = append(all, "x"+string(r), string(r)+"x")
		}
	}
	inAcme(t, s, func(tx *Tx) {
		var folded []string
		require.NoError(t, tx.QueryRow(t.Context(), `select array(select scim_fold(v) from unnest($1::text[]) with ordinality as a(v, n) order by n)`, all).Scan(&folded))
		require.Len(t, folded, len(all))
		for i, text := range all {
			if scim.Fold(text) != folded[i] {
				require.Equal(t, scim.Fold(text), folded[i], "%U", []rune(text))
			}
		}
	})
}
