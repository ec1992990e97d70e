package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/scim"
)

// ScimMemberChange is what a change of a group's members came to.
type ScimMemberChange struct {
	Added   []uuid.UUID
	Removed []uuid.UUID
	Unknown []uuid.UUID // asked to be added, and neither a user nor a group of the organization; they were left out
}

// The statements below have $1 for the organization and $2 for the group, which the caller has locked. They write the
// difference only, and raise the group's version when there is one.
const (
	// scimComing takes those of the table fresh(id) in that exist. A member is locked against being deleted meanwhile, and
	// not against anything else.
	scimComing = `, users as (
			select id, 'User' as kind from scim_users
			where org = $1 and id in (select id from fresh) and deleted_at is null order by id for key share
		), groups as (
			select id, 'Group' as kind from scim_groups
			where org = $1 and id in (select id from fresh) and id not in (select id from users) order by id for key share
		), made as (
			insert into scim_members (org, group_id, member_id, kind)
			select $1, $2, id, kind from (table users union all table groups) known
			on conflict do nothing returning member_id
		)`
	// scimIsNew: w is no member yet. The OFFSET keeps the planner from joining, for which it would read all members.
	scimIsNew       = `not exists (select from scim_members m where m.org = $1 and m.group_id = $2 and m.member_id = w.id offset 0)`
	scimNobodyComes = `, fresh as (select null::uuid as id where false), made as (select null::uuid as member_id where false)
		, users as (table fresh), groups as (table fresh)`
	scimNobodyLeaves = `, gone as (select null::uuid as member_id where false)`

	scimChange = `, changed as (
			update scim_groups g set version = version + 1, modified_at = greatest(modified_at, now()),
				member_count = member_count + n.come - n.left
			from (select (select count(*) from made) as come, (select count(*) from gone) as left) n
			where g.org = $1 and g.id = $2 and n.come + n.left > 0
			returning g.version, g.modified_at, g.member_count
		)
		select g.version, g.modified_at, g.member_count, array(select member_id from made), array(select member_id from gone),
			array(select id from fresh except select id from users except select id from groups)
		from (select version, modified_at, member_count from changed
			union all select version, modified_at, member_count from scim_groups where org = $1 and id = $2 and not exists (select from changed)) g`
)

// fewMembers is how many may come or go by a plan that was made without knowing who. To plan for each anew takes longer than
// to do it.
const fewMembers = 100

func (tx *Tx) planOnce(ids []uuid.UUID) {
	if len(ids) <= fewMembers {
		tx.write("plan once", `set local plan_cache_mode = force_generic_plan`)
	}
}

// AddScimMembers makes users and groups members of the group, which must be locked. Who is one already stays one.
func (tx *Tx) AddScimMembers(ctx context.Context, g *ScimGroup, ids []uuid.UUID) (ScimMemberChange, error) {
	tx.planOnce(ids)
	return tx.changeScimMembers(ctx, g, `with fresh as (
			select distinct w.id from unnest($3::uuid[]) w(id) where `+scimIsNew+`
		)`+scimNobodyLeaves+scimComing, ids)
}

// RemoveScimMembers takes members out of the group, which must be locked. Who is none is no error.
func (tx *Tx) RemoveScimMembers(ctx context.Context, g *ScimGroup, ids []uuid.UUID) (ScimMemberChange, error) {
	tx.planOnce(ids)
	// "is true" keeps the planner from the index of the group, in which it would read all members of a large one.
	return tx.changeScimMembers(ctx, g, `with gone as (
			delete from scim_members where org = $1 and member_id = any($3) and (group_id = $2) is true returning member_id
		)`+scimNobodyComes, ids)
}

// RemoveScimMembersWhere takes those members out of the group, which must be locked, that satisfy a filter as it stands in
// members[…] (scim.RemoveMatching). baseURL is as in ScimQuery.
func (tx *Tx) RemoveScimMembersWhere(ctx context.Context, g *ScimGroup, filter scim.Filter, baseURL string) (ScimMemberChange, error) {
	c := scimCompiler{kind: scimGroups, base: baseURL, args: []any{tx.Org, g.ID}}
	condition := c.element(filter, scimElements{part: c.memberPart})
	return tx.changeScimMembers(ctx, g, `with gone as (
			delete from scim_members where org = $1 and group_id = $2 and member_id in (
				select m.member_id from `+scimMemberRows+` where m.org = $1 and m.group_id = $2 and (`+condition+`))
			returning member_id
		)`+scimNobodyComes, c.args[2:]...)
}

// ReplaceScimMembers makes these the members of the group, which must be locked, and nobody else; there may be none.
func (tx *Tx) ReplaceScimMembers(ctx context.Context, g *ScimGroup, ids []uuid.UUID) (ScimMemberChange, error) {
	return tx.changeScimMembers(ctx, g, `with wanted as (
			select distinct w.id from unnest($3::uuid[]) w(id)
		), gone as (
			delete from scim_members m where m.org = $1 and m.group_id = $2 and not exists (select from wanted w where w.id = m.member_id)
			returning m.member_id
		), fresh as (
			select w.id from wanted w where `+scimIsNew+`
		)`+scimComing, ids)
}

func (tx *Tx) changeScimMembers(ctx context.Context, g *ScimGroup, with string, args ...any) (ScimMemberChange, error) {
	var c ScimMemberChange
	err := tx.QueryRow(ctx, with+scimChange, append([]any{tx.Org, g.ID}, args...)...).
		Scan(&g.Version, &g.ModifiedAt, &g.MemberCount, &c.Added, &c.Removed, &c.Unknown)
	if err != nil {
		return c, fmt.Errorf("change members of SCIM group: %w", err)
	}
	return c, nil
}
