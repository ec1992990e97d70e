package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ScimGroup is a row of scim_groups: a Group as SCIM clients see it.
type ScimGroup struct {
	ID       uuid.UUID
	Source   string // the policy's source that the client speaks for
	Resource []byte // scim.Resource as JSON; it has a displayName
	Version  int64  // raised by every write, also of members, from 1
	// CreatedAt and ModifiedAt are set by the database, to the microsecond.
	CreatedAt, ModifiedAt time.Time
	MemberCount           int
	Members               []ScimMember
}

// ScimMember is a direct member of a group.
type ScimMember struct {
	ID      uuid.UUID
	Kind    string // "User" or "Group"
	Display string // the displayName, else the userName
}

const scimGroupFields = `u.id, u.source, u.resource, u.version, u.created_at, u.modified_at, u.member_count`

// scimMembersOf joins the members of the group u, as three arrays; $1 is the organization.
const (
	scimMemberColumns = `, m.ids, m.kinds, m.names`
	scimMemberRows    = `scim_members m`
	// Subqueries, because they look up each member whatever the planner thinks of the group's size; for joins it reads all
	// users where there is one large group.
	scimMemberDisplay = `coalesce(case m.kind
		when 'User' then (select coalesce(x.resource->>'displayName', x.resource->>'userName') from scim_users x where x.org = $1 and x.id = m.member_id)
		else (select x.resource->>'displayName' from scim_groups x where x.org = $1 and x.id = m.member_id) end, '')`
	scimMembersOf = ` cross join lateral (
		select coalesce(array_agg(id), '{}') as ids, coalesce(array_agg(kind), '{}') as kinds, coalesce(array_agg(name), '{}') as names
		from (
			select m.member_id as id, m.kind, ` + scimMemberDisplay + ` as name
			from ` + scimMemberRows + ` where m.org = $1 and m.group_id = u.id order by m.member_id
		) m) m`
)

// scan are the targets of scimGroupFields.
func (g *ScimGroup) scan() []any {
	return []any{asBytes(&g.ID), &g.Source, &g.Resource, &g.Version, &g.CreatedAt, &g.ModifiedAt, &g.MemberCount}
}

// scimMemberArrays are the targets of scimMemberColumns.
type scimMemberArrays struct {
	ids          [][16]byte
	kinds, names []string
}

func (a *scimMemberArrays) scan() []any { return []any{&a.ids, &a.kinds, &a.names} }

func (a *scimMemberArrays) list() []ScimMember {
	list := make([]ScimMember, len(a.ids))
	for i := range list {
		list[i] = ScimMember{uuid.UUID(a.ids[i]), a.kinds[i], a.names[i]}
	}
	return list
}

// ScimGroup reads the group of that id, with all its members if asked for, in one round trip; NotFound when the
// organization has none.
func (s *Store) ScimGroup(ctx context.Context, org string, id uuid.UUID, withMembers bool) (ScimGroup, error) {
	var g ScimGroup
	var members scimMemberArrays
	query, targets := `select `+scimGroupFields+` from scim_groups u`, g.scan()
	if withMembers {
		query, targets = `select `+scimGroupFields+scimMemberColumns+` from scim_groups u`+scimMembersOf, append(targets, members.scan()...)
	}
	err := s.one(ctx, org, false, func(batch *pgx.Batch) {
		batch.Queue(query+` where u.org = $1 and u.id = $2`, org, id)
	}, func(results pgx.BatchResults) error { return results.QueryRow().Scan(targets...) })
	if err != nil {
		return g, noScim(err, "group", org, id)
	}
	if withMembers {
		g.Members = members.list()
	}
	return g, nil
}

// ScimGroupForUpdate reads the group of that id, without its members, and locks it: whoever changes a group or its members
// does so first, and compares an If-Match with what it finds. Who locks several does so in the order of their ids. NotFound
// when the organization has none.
func (tx *Tx) ScimGroupForUpdate(ctx context.Context, id uuid.UUID) (ScimGroup, error) {
	var g ScimGroup
	err := tx.QueryRow(ctx, `select `+scimGroupFields+` from scim_groups u where u.org = $1 and u.id = $2 for no key update`, tx.Org, id).Scan(g.scan()...)
	if err != nil {
		return g, noScim(err, "group", tx.Org, id)
	}
	return g, nil
}

// InsertScimGroup writes a new group with its ID, Source and Resource, and sets the rest. It has no members yet.
func (tx *Tx) InsertScimGroup(ctx context.Context, g *ScimGroup) error {
	err := tx.QueryRow(ctx, `insert into scim_groups (org, id, source, resource) values ($1, $2, $3, $4) returning version, created_at, modified_at`,
		tx.Org, g.ID, g.Source, g.Resource).Scan(&g.Version, &g.CreatedAt, &g.ModifiedAt)
	if err != nil {
		return fmt.Errorf("write SCIM group: %w", err)
	}
	return nil
}

// UpdateScimGroup writes Source and Resource of a group, if it still has the Version that was read, and sets the new
// version and time. Conflict when it has another version.
func (tx *Tx) UpdateScimGroup(ctx context.Context, g *ScimGroup) error {
	err := tx.QueryRow(ctx, `update scim_groups set source = $4, resource = $5, version = version + 1, modified_at = greatest(modified_at, now())
		where org = $1 and id = $2 and version = $3 returning version, modified_at`,
		tx.Org, g.ID, g.Version, g.Source, g.Resource).Scan(&g.Version, &g.ModifiedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return scimChanged("group", g.ID)
	}
	if err != nil {
		return fmt.Errorf("write SCIM group: %w", err)
	}
	return nil
}

// DeleteScimGroup removes a group, if it still has the Version that was read, with its memberships in both directions. It
// answers who was a direct member.
func (tx *Tx) DeleteScimGroup(ctx context.Context, g *ScimGroup) ([]uuid.UUID, error) {
	if err := tx.lockGroupsOf(ctx, g.ID); err != nil {
		return nil, err
	}
	var current bool
	var members []uuid.UUID
	err := tx.QueryRow(ctx, `
		with locked as (
			select id from scim_groups where org = $1 and id = $2 and version = $3 for update
		), gone as (
			delete from scim_members m using locked l where m.org = $1 and m.group_id = l.id returning m.member_id
		)
		select exists (select from locked), array(select member_id from gone)`, tx.Org, g.ID, g.Version).Scan(&current, &members)
	if err != nil {
		return nil, fmt.Errorf("delete SCIM group: %w", err)
	}
	if !current {
		return nil, scimChanged("group", g.ID)
	}
	if _, err := tx.leaveGroups(ctx, g.ID); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, `delete from scim_groups where org = $1 and id = $2`, tx.Org, g.ID); err != nil {
		return nil, fmt.Errorf("delete SCIM group: %w", err)
	}
	return members, nil
}

// lockGroupsOf locks the groups that a user or group is a direct member of, in the order of their ids.
func (tx *Tx) lockGroupsOf(ctx context.Context, member uuid.UUID) error {
	_, err := tx.Exec(ctx, `select from scim_groups where org = $1
		and id in (select group_id from scim_members where org = $1 and member_id = $2) order by id for no key update`, tx.Org, member)
	if err != nil {
		return fmt.Errorf("lock groups of SCIM member: %w", err)
	}
	return nil
}

// leaveGroups takes a user or group out of all groups and answers these as they are then, without their members. A group
// that took the member in after lockGroupsOf is not locked yet; should that deadlock, the transaction is tried again.
func (tx *Tx) leaveGroups(ctx context.Context, member uuid.UUID) ([]ScimGroup, error) {
	rows, err := tx.Query(ctx, `
		with gone as (
			delete from scim_members where org = $1 and member_id = $2 returning group_id
		)
		update scim_groups g set member_count = member_count - 1, version = version + 1, modified_at = greatest(modified_at, now())
		from gone where g.org = $1 and g.id = gone.group_id returning g.id, g.source, g.resource, g.version`, tx.Org, member)
	if err != nil {
		return nil, fmt.Errorf("leave SCIM groups: %w", err)
	}
	groups, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (g ScimGroup, err error) {
		return g, row.Scan(&g.ID, &g.Source, &g.Resource, &g.Version)
	})
	if err != nil {
		return nil, fmt.Errorf("leave SCIM groups: %w", err)
	}
	return groups, nil
}
