package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tenurehq/tenure/internal/identity"
)

// PutRecord writes the one entry that a source has of a person, in the place of the one before.
func (tx *Tx) PutRecord(ctx context.Context, e SourcedEntry, id *uuid.UUID) error {
	patch, err := json.Marshal(e.Patch)
	if err != nil {
		return fmt.Errorf("write entry: %w", err)
	}
	tx.write("write entry", `
		insert into source_records (org, origin, event_id, source, type, employee_id, relationship_id, sequence, observed_at,
			received_at, effective, rescinds, patch, identity_id, effect)
		values ($1, $2, $3, $4, $5, $6, $12, '', $7, $8, '', '', $9, $10, $11)
		on conflict (org, origin, event_id) do update set source = excluded.source, type = excluded.type,
			observed_at = excluded.observed_at, received_at = excluded.received_at, patch = excluded.patch,
			identity_id = excluded.identity_id, effect = excluded.effect`,
		tx.Org, e.Entry.Source, e.ID, e.Source, e.Type, e.EmployeeID, e.Time, e.ReceivedAt, patch, id, e.Effect, e.RelationshipID)
	return nil
}

// ScimUserOf finds the User that an identity is, or was last, for SCIM clients; nil when it never was one.
func (tx *Tx) ScimUserOf(ctx context.Context, id uuid.UUID) (*ScimUser, error) {
	return tx.findScimUser(ctx, `u.identity_id = $2 order by u.deleted_at desc nulls first limit 1`, id)
}

// AdoptScimUser gives a User, by its id, the identity that a case decided. An id of another source is nobody here.
func (tx *Tx) AdoptScimUser(ctx context.Context, user string, id uuid.UUID) error {
	parsed, err := uuid.Parse(user)
	if err != nil {
		return nil //nolint:nilerr // an employee's number of another source
	}
	tx.write("adopt SCIM user", `update scim_users set identity_id = $3 where org = $1 and id = $2 and identity_id is null`, tx.Org, parsed, id)
	return nil
}

// PokeScimUsers raises the versions of the identities that these Users are, in one statement, in the order of their ids; ids
// of groups are nobody. It answers whether there was anybody.
func (tx *Tx) PokeScimUsers(ctx context.Context, users []uuid.UUID, class identity.Class) (bool, error) {
	return tx.raise(ctx, `select identity_id from scim_users where org = $1 and id = any($2)`, users, class)
}

// PokeScimMembers is PokeScimUsers for all direct members of a group.
func (tx *Tx) PokeScimMembers(ctx context.Context, group uuid.UUID, class identity.Class) (bool, error) {
	return tx.raise(ctx, `select u.identity_id from scim_members m join scim_users u on u.org = m.org and u.id = m.member_id
		where m.org = $1 and m.group_id = $2`, group, class)
}

const groupNames = `from scim_users u join scim_members m on m.org = u.org and m.member_id = u.id
	join scim_groups g on g.org = m.org and g.id = m.group_id where u.org = $1 and u.deleted_at is null`

// GroupNames are the display names of the groups that an identity is a direct member of as a SCIM User, sorted.
func (tx *Tx) GroupNames(ctx context.Context, id uuid.UUID) ([]string, error) {
	rows, err := tx.Query(ctx, `select distinct g.resource->>'displayName' as name `+groupNames+` and u.identity_id = $2 order by name`, tx.Org, id)
	if err != nil {
		return nil, fmt.Errorf("read groups of identity: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// AllGroupNames are the GroupNames of everybody who has any.
func (tx *Tx) AllGroupNames(ctx context.Context) (map[uuid.UUID][]string, error) {
	rows, err := tx.Query(ctx, `select u.identity_id, array_agg(distinct g.resource->>'displayName' order by g.resource->>'displayName')
		`+groupNames+` and u.identity_id is not null group by u.identity_id`, tx.Org)
	if err != nil {
		return nil, fmt.Errorf("read groups of identities: %w", err)
	}
	all := map[uuid.UUID][]string{}
	var id uuid.UUID
	var names []string
	_, err = pgx.ForEachRow(rows, []any{&id, &names}, func() error {
		all[id], names = names, nil
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read groups of identities: %w", err)
	}
	return all, nil
}
