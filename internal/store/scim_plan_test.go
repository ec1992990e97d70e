package store

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/scim"
)

// TestScimListsInALargeOrganization shares 20,000 users among the tests that need many.
func TestScimListsInALargeOrganization(t *testing.T) {
	t.Parallel()
	s := openScim(t, 8)
	manyUsers(t, s, 20_000)
	ids := someIDs(t, s, 20_000)
	team, large := newTeam(t, s, ids[:30]), newTeam(t, s, ids[:10_000])
	s.maintain(t, "analyze") // without vacuum, each row that is read is counted
	t.Run("a member of a large group", func(t *testing.T) { testLargeGroup(t, s, large, ids[10_000:]) })
	s.maintain(t, "vacuum analyze")
	t.Run("plans", func(t *testing.T) { testPlans(t, s, ids[0], team) })
	t.Run("too many", func(t *testing.T) { testTooMany(t, s, team) })
	t.Run("all pages", func(t *testing.T) { testAllPages(t, s) })
}

// testPlans: an indexed filter is answered by its index, whether the database plans for the values or for good, and no
// list reads the whole table.
func testPlans(t *testing.T, s scimStore, id, team uuid.UUID) {
	for filter, index := range map[string]string{
		`userName eq "USER77@example.com"`: "scim_users_user_name", `userName sw "user777"`: "scim_users_user_name",
		`externalId eq "ext-77"`: "scim_users_external_id", `externalId sw "ext-777"`: "scim_users_external_id",
		`emails.value eq "HOME77@example.net"`: "scim_emails_pkey", `emails co "x" and emails eq "home77@example.net"`: "scim_emails_pkey",
		`emails[type eq "home" and value sw "home777"]`: "scim_emails_pkey", `emails[value eq "a" or value eq "b"]`: "scim_emails_pkey",
		`displayName eq "name 77"`: "scim_users_display_name", `active eq false`: "scim_users_active", `id eq "` + id.String() + `"`: "scim_users_pkey",
		`meta.lastModified gt "2026-01-01T05:33:00Z"`: "scim_users_modified", `meta.created ge "2026-01-01T05:33:00Z"`: "scim_users_created",
		`groups.value eq "` + team.String() + `"`: "scim_members_pkey", `userName eq "a" or externalId eq "ext-77"`: "scim_users_external_id",
		`title co "x" and (userName eq "a" or emails eq "b")`: "scim_emails_pkey",
	} {
		checkPlans(t, s, scimUsers, ScimQuery{Filter: userFilter(t, filter), Count: 100}, nil, index)
	}
	for filter, index := range map[string]string{
		`displayName eq "TEAM 77"`: "scim_groups_display_name", `displayName sw "team 77"`: "scim_groups_display_name", `externalId eq "team-77"`: "scim_groups_external_id",
		`members.value eq "` + id.String() + `"`: "scim_members_member", `members[value eq "` + id.String() + `" and type eq "User"]`: "scim_members_member",
		`id eq "` + team.String() + `"`: "scim_groups_pkey", `displayName eq "x" or members.value eq "` + id.String() + `"`: "scim_members_member",
		`meta.lastModified gt "2126-01-01T00:00:00Z"`: "scim_groups_modified",
	} {
		parsed, err := scim.ParseFilter(scim.GroupType(), filter)
		require.NoError(t, err, filter)
		checkPlans(t, s, scimGroups, ScimQuery{Filter: parsed, Count: 100}, nil, index)
	}
	testPlansOfPages(t, s, id)
}

func testPlansOfPages(t *testing.T, s scimStore, at uuid.UUID) {
	by := func(rt scim.ResourceType, name string) scim.Path {
		path, err := scim.ParseSortBy(rt, name)
		require.NoError(t, err)
		return path
	}
	cursor, key, name := "", "2026-01-01T05:00:00Z", "user500@example.com"
	users, groups := scim.UserType(), scim.GroupType()
	checkPlans(t, s, scimUsers, ScimQuery{Count: 100}, nil, "scim_users_created")
	checkPlans(t, s, scimUsers, ScimQuery{Count: 100, StartIndex: 15_001}, nil, "scim_users_created")
	checkPlans(t, s, scimUsers, ScimQuery{Count: 100, Cursor: &cursor}, &scimPosition{&key, at}, "scim_users_created")
	checkPlans(t, s, scimUsers, ScimQuery{Count: 100, Cursor: &cursor, SortBy: by(users, "meta.lastModified"), Descending: true}, &scimPosition{&key, at}, "scim_users_modified")
	checkPlans(t, s, scimUsers, ScimQuery{Count: 100, Cursor: &cursor, SortBy: by(users, "userName")}, &scimPosition{&name, at}, "scim_users_user_name")
	checkPlans(t, s, scimGroups, ScimQuery{Count: 100}, nil, "scim_groups_created")
	checkPlans(t, s, scimGroups, ScimQuery{Count: 100, Cursor: &cursor, SortBy: by(groups, "displayName")}, &scimPosition{&name, at}, "scim_groups_display_name")
}

func checkPlans(t *testing.T, s scimStore, kind scimKind, q ScimQuery, after *scimPosition, index string) {
	t.Helper()
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		var plan string
		inAcme(t, s, func(tx *Tx) { plan = explain(t, tx, kind, q, after, mode) })
		require.Regexp(t, index+`\b`, plan, "%v\n%s", q.Filter, plan)
		require.NotRegexp(t, `Seq Scan on scim_(users|emails|groups|members)`, plan, "%v", q.Filter)
	}
}

// explain is how the database runs a list.
func explain(t *testing.T, tx *Tx, kind scimKind, q ScimQuery, after *scimPosition, planMode string) string {
	t.Helper()
	statement, args := newScimList(tx.Org, q, kind).statement(after)
	literals := make([]string, len(args))
	for i, a := range args {
		switch v := a.(type) {
		case []string:
			literals[i] = "array['" + strings.Join(v, "','") + "']"
		case int:
			literals[i] = fmt.Sprint(v)
		default:
			literals[i] = fmt.Sprintf("'%v'", v)
		}
	}
	_, err := tx.Exec(t.Context(), "select") // begins, which what goes past the Tx does not
	require.NoError(t, err)
	for _, command := range []string{"set local plan_cache_mode = " + planMode, "prepare listed as " + statement} {
		_, err := tx.conn.Conn().PgConn().Exec(t.Context(), command).ReadAll()
		require.NoError(t, err, command)
	}
	rows, err := tx.Query(t.Context(), "explain (costs off) execute listed ("+strings.Join(literals, ", ")+")", pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	_, err = tx.conn.Conn().PgConn().Exec(t.Context(), "deallocate listed").ReadAll()
	require.NoError(t, err)
	return strings.Join(lines, "\n")
}

// testLargeGroup: adding and removing a member reads none of the others, and replacing all by the same and one more writes
// one row.
func testLargeGroup(t *testing.T, s scimStore, team uuid.UUID, others []uuid.UUID) {
	touched := func(tx *Tx) (read, written int) {
		require.NoError(t, tx.QueryRow(t.Context(), `select seq_tup_read + idx_tup_fetch, n_tup_ins + n_tup_upd + n_tup_del
			from pg_stat_xact_user_tables where relname = 'scim_members'`).Scan(&read, &written))
		return read, written
	}
	for i, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		inAcme(t, s, func(tx *Tx) {
			_, err := tx.Exec(t.Context(), "set local plan_cache_mode = "+mode)
			require.NoError(t, err)
			g, err := tx.ScimGroupForUpdate(t.Context(), team)
			require.NoError(t, err)
			readBefore, writtenBefore := touched(tx)
			for _, change := range []func(*Tx, context.Context, *ScimGroup, []uuid.UUID) (ScimMemberChange, error){(*Tx).AddScimMembers, (*Tx).RemoveScimMembers} {
				done, err := change(tx, t.Context(), &g, others[i:i+1])
				require.NoError(t, err)
				require.Len(t, append(done.Added, done.Removed...), 1)
			}
			read, written := touched(tx)
			require.Less(t, read-readBefore, 100)
			require.Equal(t, 2, written-writtenBefore)
		})
	}
	g, err := s.ScimGroup(t.Context(), "acme", team, true)
	require.NoError(t, err)
	inAcme(t, s, func(tx *Tx) {
		_, before := touched(tx)
		ids := append(idsOf(g.Members, func(m ScimMember) uuid.UUID { return m.ID }), others[0])
		change, err := tx.ReplaceScimMembers(t.Context(), &g, ids)
		require.NoError(t, err)
		require.Equal(t, ScimMemberChange{Added: others[:1], Removed: []uuid.UUID{}, Unknown: []uuid.UUID{}}, change)
		_, written := touched(tx)
		require.Equal(t, 1, written-before)
		change, err = tx.ReplaceScimMembers(t.Context(), &g, ids[:10_000])
		require.NoError(t, err)
		require.Equal(t, others[:1], change.Removed)
	})
}

// testTooMany: what would be evaluated for each of 20,000 users is refused, unless an indexed part leaves few of them.
func testTooMany(t *testing.T, s scimStore, team uuid.UUID) {
	list := func(filter, sortBy string) (*int, error) {
		q := ScimQuery{Count: 10}
		if filter != "" {
			q.Filter = userFilter(t, filter)
		}
		if sortBy != "" {
			var err error
			q.SortBy, err = scim.ParseSortBy(scim.UserType(), sortBy)
			require.NoError(t, err)
		}
		page, err := s.ScimUsers(t.Context(), "acme", q)
		return page.Total, err
	}
	for _, refused := range [][2]string{
		{`title eq "Title 3"`, ""}, {`userName co "77"`, ""}, {`not (userName eq "x")`, ""}, {`userName ne "x"`, ""}, {`emails pr`, ""},
		{`active eq true and title eq "Title 3"`, ""}, {`userName eq "x" or title eq "Title 3"`, ""}, {`emails[type eq "home"]`, ""},
		{`userName sw "user" and title pr`, ""}, {"", "title"}, {`active eq true`, "name.familyName"}, {`groups.display eq "Team"`, ""},
	} {
		_, err := list(refused[0], refused[1])
		var refusal *scim.Error
		require.ErrorAs(t, err, &refusal, refused)
		require.Equal(t, scim.TooMany, refusal.Type)
		require.Equal(t, 400, refusal.Status)
	}
	for accepted, want := range map[[2]string]int{
		{"", ""}: 20_000, {`active eq true`, ""}: 18_000, {`active eq true`, "userName"}: 18_000, {`userName pr`, "displayName"}: 20_000,
		{`active eq false and title eq "Title 10"`, ""}: 400, {`userName sw "user77" and title pr`, "title"}: 111,
		{`groups.value eq "` + team.String() + `" and title pr`, "title"}:                       30,
		{`meta.created gt "2026-01-01T05:33:10Z" and not (title co "x")`, "title"}:              10,
		{`(userName eq "user5@example.com" or emails sw "home777@") and locale eq "en-gb"`, ""}: 2,
		{`meta.lastModified gt "2026-01-01T00:00:05Z" and active eq false`, ""}:                 2_000,
	} {
		total, err := list(accepted[0], accepted[1])
		require.NoError(t, err, accepted)
		require.Equal(t, want, *total, accepted)
	}
	page, err := s.ScimUsers(t.Context(), "rival", ScimQuery{Filter: userFilter(t, `title eq "Title 3"`), Count: 10})
	require.NoError(t, err, "rival has 10,000 users, and what acme has does not count")
	require.Equal(t, 200, *page.Total)
}

// testAllPages: a page far behind is the right one, and whoever is there from the beginning to the end is in exactly one page, while users come and go.
func testAllPages(t *testing.T, s scimStore) {
	for _, start := range []int{1, 900, 15_001, 20_000, 30_000} {
		page, err := s.ScimUsers(t.Context(), "acme", ScimQuery{Count: 2, StartIndex: start, Related: true})
		require.NoError(t, err)
		require.Equal(t, 20_000, *page.Total)
		require.Len(t, page.Resources, max(0, min(2, 20_001-start)))
		for i, u := range page.Resources {
			require.Contains(t, string(u.Resource), fmt.Sprintf(`"ext-%d"`, start+i))
			require.NotEmpty(t, u.Groups)
		}
	}
	before := map[uuid.UUID]bool{}
	for _, id := range someIDs(t, s, 30_000) {
		before[id] = true
	}
	cursor, seen, pages := "", map[uuid.UUID]int{}, 0
	for {
		page, err := s.ScimUsers(t.Context(), "acme", ScimQuery{Count: 1_000, Cursor: &cursor})
		require.NoError(t, err)
		require.Equal(t, pages == 0, page.Total != nil)
		pages++
		for _, u := range page.Resources {
			seen[u.ID]++
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
		inAcme(t, s, func(tx *Tx) {
			require.NoError(t, tx.InsertScimUser(t.Context(), newUser(uuid.NewString())))
			for _, i := range []int{0, len(page.Resources) - 1} { // the last one is where the cursor stands
				_, err := tx.DeleteScimUser(t.Context(), &page.Resources[i])
				require.NoError(t, err)
			}
		})
	}
	require.Equal(t, 21, pages) // the new ones come last
	for id := range before {
		require.Equal(t, 1, seen[id])
	}
	for _, times := range seen {
		require.Equal(t, 1, times)
	}
}

func TestScimCursorsAreForOneList(t *testing.T) {
	t.Parallel()
	s := openScim(t, 2)
	for _, org := range []string{"acme", "rival"} {
		require.NoError(t, s.InOrg(t.Context(), org, func(tx *Tx) error {
			for _, name := range []string{"ada", "ben", "cleo"} {
				require.NoError(t, tx.InsertScimUser(t.Context(), newUser(name)))
				require.NoError(t, tx.InsertScimGroup(t.Context(), newGroup(name)))
			}
			return nil
		}))
	}
	first := ""
	byName, err := scim.ParseSortBy(scim.UserType(), "userName")
	require.NoError(t, err)
	q := ScimQuery{Filter: userFilter(t, `userName pr`), SortBy: byName, Count: 1, Cursor: &first}
	page, err := s.ScimUsers(t.Context(), "acme", q)
	require.NoError(t, err)
	cursor := page.NextCursor
	require.Regexp(t, `^[A-Za-z0-9_-]+$`, cursor)
	require.NotContains(t, string(decoded(t, cursor)), "ada", "a cursor stands in URLs and logs")
	q.Cursor = &cursor
	page, err = s.ScimUsers(t.Context(), "acme", q)
	require.NoError(t, err)
	require.Len(t, page.Resources, 1)
	require.JSONEq(t, `{"userName":"ben"}`, string(page.Resources[0].Resource))
	changed := "A" + cursor[1:]
	if changed == cursor {
		changed = "B" + cursor[1:]
	}
	other := q
	other.Filter = userFilter(t, `userName sw ""`)
	unsorted, descending := q, q
	unsorted.SortBy, descending.Descending = scim.Path{}, true
	for name, test := range map[string]struct {
		org, cursor string
		query       ScimQuery
	}{
		"another organization's": {"rival", cursor, q}, "another filter's": {"acme", cursor, other}, "another sorting's": {"acme", cursor, unsorted},
		"another direction's": {"acme", cursor, descending}, "changed": {"acme", changed, q}, "cut": {"acme", cursor[:20], q},
		"short": {"acme", "AA", q}, "no base64": {"acme", "%%%", q}, "padded": {"acme", cursor + "=", q},
	} {
		test.query.Cursor = &test.cursor
		_, err := s.ScimUsers(t.Context(), test.org, test.query)
		var refusal *scim.Error
		require.ErrorAs(t, err, &refusal, name)
		require.Equal(t, scim.InvalidCursor, refusal.Type, name)
	}
	_, err = s.ScimGroups(t.Context(), "acme", ScimQuery{Count: 1, Cursor: &cursor})
	var refusal *scim.Error
	require.ErrorAs(t, err, &refusal, "another resource type's")
}

func decoded(t *testing.T, cursor string) []byte {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	require.NoError(t, err)
	return text
}

// TestScimPagesOfGroupsAreBounded: a page with members ends before there are too many, by index and by cursor.
func TestScimPagesOfGroupsAreBounded(t *testing.T) {
	t.Parallel()
	s := openScim(t, 2)
	sizes := []int{10_000, 20_000, 1, 40_000, 0}
	inAcme(t, s, func(tx *Tx) {
		for i, size := range sizes {
			g := newGroup(fmt.Sprint(size))
			require.NoError(t, tx.InsertScimGroup(t.Context(), g))
			_, err := tx.Exec(t.Context(), `insert into scim_members (org, group_id, member_id, kind)
				select $1, $2, gen_random_uuid(), 'User' from generate_series(1, $3::int)`, tx.Org, g.ID, size)
			require.NoError(t, err)
			_, err = tx.Exec(t.Context(), `update scim_groups set member_count = $3, created_at = now() + make_interval(secs => $4::int)
				where org = $1 and id = $2`, tx.Org, g.ID, size, i)
			require.NoError(t, err)
		}
	})
	cursor, at := "", 0
	for _, want := range [][]int{{10_000, 20_000}, {1}, {40_000}, {0}} {
		byCursor, err := s.ScimGroups(t.Context(), "acme", ScimQuery{Count: 10, Related: true, Cursor: &cursor})
		require.NoError(t, err)
		byIndex, err := s.ScimGroups(t.Context(), "acme", ScimQuery{Count: 10, Related: true, StartIndex: 1 + at})
		require.NoError(t, err)
		require.Equal(t, len(sizes), *byIndex.Total)
		for _, page := range []ScimPage[ScimGroup]{byCursor, byIndex} {
			var got []int
			for _, g := range page.Resources {
				got = append(got, len(g.Members))
			}
			require.Equal(t, want, got)
		}
		cursor, at = byCursor.NextCursor, at+len(want)
		require.Equal(t, at == len(sizes), cursor == "")
	}
	without, err := s.ScimGroups(t.Context(), "acme", ScimQuery{Count: 10})
	require.NoError(t, err)
	require.Len(t, without.Resources, len(sizes), "without members they all fit")
}

// TestScimStatementsStaySmall: the statement grows with the filter and not faster, however deep it is nested.
func TestScimStatementsStaySmall(t *testing.T) {
	t.Parallel()
	leaves := []string{`userName eq "x"`, `emails[type eq "home" and value eq "x"]`, `externalId sw "x"`}
	for _, operators := range [][2]string{{" or ", " or "}, {" or ", " and "}, {" and ", " and "}} {
		var nested strings.Builder
		for i := range 29 {
			nested.WriteString(leaves[i%3] + operators[i%2] + "(")
		}
		filter := userFilter(t, nested.String()+leaves[0]+strings.Repeat(")", 29))
		statement, args := newScimList("acme", ScimQuery{Filter: filter, Count: 10}, scimUsers).statement(nil)
		require.Less(t, len(statement), 40_000)
		require.Less(t, len(args), 150)
	}
}
