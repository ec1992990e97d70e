package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tenurehq/tenure/internal/identity"
)

// ScimUser is a row of scim_users: a User as SCIM clients see it.
type ScimUser struct {
	ID       uuid.UUID
	Identity *uuid.UUID // nil while a case about the person is open
	Source   string     // the policy's source that the client speaks for
	Resource []byte     // scim.Resource as JSON; it has a userName
	Version  int64      // raised by every write, from 1
	// CreatedAt and ModifiedAt are set by the database, to the microsecond.
	CreatedAt, ModifiedAt time.Time
	DeletedAt             *time.Time // set: clients see it no more, and its userName is free
	Groups                []ScimGroupName

	indexed []byte // the resource whose emails can be looked up, as far as that is known
}

// ScimGroupName is a group that a user or group is a direct member of.
type ScimGroupName struct {
	ID      uuid.UUID
	Display string
}

const scimUserColumns = `u.id, u.identity_id, u.source, u.resource, u.version, u.created_at, u.modified_at, u.deleted_at`

// scimGroupsOf joins the groups of u, as two arrays; $1 is the organization.
const (
	scimGroupColumns = `, g.ids, g.names`
	scimGroupsOf     = ` cross join lateral (
		select coalesce(array_agg(id), '{}') as ids, coalesce(array_agg(name), '{}') as names
		from (
			select x.id, x.resource->>'displayName' as name
			from scim_members m join scim_groups x on x.org = m.org and x.id = m.group_id
			where m.org = $1 and m.member_id = u.id order by m.group_id
		) g) g`
)

// asBytes is an id as pgx reads it without a detour by its text.
func asBytes(id *uuid.UUID) *[16]byte { return (*[16]byte)(id) }

// scan are the targets of scimUserColumns.
func (u *ScimUser) scan() []any {
	return []any{asBytes(&u.ID), &u.Identity, &u.Source, &u.Resource, &u.Version, &u.CreatedAt, &u.ModifiedAt, &u.DeletedAt}
}

// scimGroupNames are the targets of scimGroupColumns.
type scimGroupNames struct {
	ids   [][16]byte
	names []string
}

func (n *scimGroupNames) scan() []any { return []any{&n.ids, &n.names} }

func (n *scimGroupNames) list() []ScimGroupName {
	list := make([]ScimGroupName, len(n.ids))
	for i := range list {
		list[i] = ScimGroupName{uuid.UUID(n.ids[i]), n.names[i]}
	}
	return list
}

// ScimUser reads the user of that id, with its groups if asked for, in one round trip; NotFound when the organization has
// none, or it is deleted.
func (s *Store) ScimUser(ctx context.Context, org string, id uuid.UUID, withGroups bool) (ScimUser, error) {
	var u ScimUser
	var groups scimGroupNames
	query, targets := `select `+scimUserColumns+` from scim_users u`, u.scan()
	if withGroups {
		query, targets = `select `+scimUserColumns+scimGroupColumns+` from scim_users u`+scimGroupsOf, append(targets, groups.scan()...)
	}
	err := s.one(ctx, org, false, func(batch *pgx.Batch) {
		batch.Queue(query+` where u.org = $1 and u.id = $2 and u.deleted_at is null`, org, id)
	}, func(results pgx.BatchResults) error { return results.QueryRow().Scan(targets...) })
	if err != nil {
		return u, noScim(err, "user", org, id)
	}
	if withGroups {
		u.Groups = groups.list()
	}
	return u, nil
}

// noScim is the error of a read by id.
func noScim(err error, kind, org string, id uuid.UUID) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return identity.Errorf(identity.NotFound, "no SCIM %s %s in organization %q", kind, id, org)
	}
	return fmt.Errorf("read SCIM %s: %w", kind, err)
}

// ScimUserForUpdate reads the user of that id, deleted or not, with its groups if asked for, and locks it: whoever changes a
// user does so first, and compares an If-Match with what it finds. Who locks several does so in the order of their ids, and
// after groups. NotFound when the organization has none.
func (tx *Tx) ScimUserForUpdate(ctx context.Context, id uuid.UUID, withGroups bool) (ScimUser, error) {
	var u ScimUser
	var groups scimGroupNames
	fields, joins, targets := scimUserColumns, "", u.scan()
	if withGroups {
		fields, joins, targets = fields+scimGroupColumns, scimGroupsOf, append(targets, groups.scan()...)
	}
	err := tx.QueryRow(ctx, `select `+fields+` from scim_users u`+joins+` where u.org = $1 and u.id = $2 for no key update of u`, tx.Org, id).Scan(targets...)
	if err != nil {
		return u, noScim(err, "user", tx.Org, id)
	}
	if withGroups {
		u.Groups = groups.list()
	}
	u.indexed = noEmails
	if u.DeletedAt == nil {
		u.indexed = u.Resource
	}
	return u, nil
}

// maxScimNamesakes is how many users ScimNamesakes answers: more than any person would look through.
const maxScimNamesakes = 20

// ScimNamesakes finds who could be meant by a new user: those to which the source gave this externalId, deleted or not, and
// whoever has the userName now. Of many with the externalId those come first whose userName it is or was, then those that
// are not deleted, the active ones before the others, then those that were deleted last.
func (tx *Tx) ScimNamesakes(ctx context.Context, source, externalID, userName string) ([]ScimUser, error) {
	rows, err := tx.Query(ctx, `
		(select `+scimUserColumns+` from scim_users u
			where u.org = $1 and u.external_id = nullif($2, '') and u.source = $3
			order by u.user_name_key = scim_fold($4) collate "C" desc, u.deleted_at desc nulls first, u.active is not false desc, u.id limit $5)
		union all
		select `+scimUserColumns+` from scim_users u
			where u.org = $1 and u.deleted_at is null and u.user_name_key = scim_fold($4) collate "C"
			and (u.external_id = nullif($2, '') and u.source = $3) is not true`, tx.Org, externalID, source, userName, maxScimNamesakes)
	if err != nil {
		return nil, fmt.Errorf("find SCIM users: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (ScimUser, error) {
		var u ScimUser
		return u, row.Scan(u.scan()...)
	})
	if err != nil {
		return nil, fmt.Errorf("find SCIM users: %w", err)
	}
	return found, nil
}

// ScimCandidates are the identities among which the open cases about these users have to choose.
func (tx *Tx) ScimCandidates(ctx context.Context, source string, users []uuid.UUID) ([]uuid.UUID, error) {
	rows, err := tx.Query(ctx, `select distinct candidate from cases c cross join unnest(c.candidates) candidate
		where c.org = $1 and c.source = $2 and c.employee_id = any($3::uuid[]::text[]) and c.resolved_at is null order by candidate`, tx.Org, source, users)
	if err != nil {
		return nil, fmt.Errorf("find candidates of SCIM users: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

func (tx *Tx) findScimUser(ctx context.Context, condition string, args ...any) (*ScimUser, error) {
	var u ScimUser
	err := tx.QueryRow(ctx, `select `+scimUserColumns+` from scim_users u where u.org = $1 and `+condition, append([]any{tx.Org}, args...)...).
		Scan(u.scan()...)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find SCIM user: %w", err)
	}
	return &u, nil
}

// noEmails is a resource without any.
var noEmails = []byte("{}")

// emailsOf are the values of a resource's emails.
func emailsOf(resource []byte) ([]string, error) {
	var r struct {
		Emails []struct {
			Value *string `json:"value"`
		} `json:"emails"`
	}
	if err := json.Unmarshal(resource, &r); err != nil {
		return nil, fmt.Errorf("read emails: %w", err)
	}
	values := make([]string, 0, len(r.Emails))
	for _, e := range r.Emails {
		if e.Value != nil {
			values = append(values, *e.Value)
		}
	}
	return values, nil
}

// addScimEmails lets the user be found by the emails of $3.
const addScimEmails = `insert into scim_emails (org, user_id, value) select $1, $2::uuid, scim_fold(v) from unnest($3::text[]) v on conflict do nothing`

// InsertScimUser leaves a new user to be written, with its ID, Identity, Source and Resource. Version is set at once, the times
// when it is written. Conflict, with the attribute in Field, when another user has its userName: at the next statement, or at
// the commit.
func (tx *Tx) InsertScimUser(_ context.Context, u *ScimUser) error {
	emails, err := emailsOf(u.Resource)
	if err != nil {
		return fmt.Errorf("write SCIM user: %w", err)
	}
	u.Version, u.indexed = 1, u.Resource
	tx.queue(queued{row: func(row pgx.Row) error {
		return scimConflict("write SCIM user", row.Scan(&u.CreatedAt, &u.ModifiedAt))
	}}, `insert into scim_users (org, id, identity_id, source, resource) values ($1, $2, $3, $4, $5) returning created_at, modified_at`,
		tx.Org, u.ID, u.Identity, u.Source, u.Resource)
	if len(emails) > 0 {
		tx.write("write emails of SCIM user", addScimEmails, tx.Org, u.ID, emails)
	}
	return nil
}

// UpdateScimUser leaves Identity, Source, Resource and DeletedAt of a user to be written, if it still has the Version that was
// read. The version is raised at once, the time set when it is written. Conflict when it has another version, or, with the
// attribute in Field, as InsertScimUser; then nothing of the transaction is kept. Deleting is for DeleteScimUser; with a nil
// DeletedAt a deleted user is brought back.
func (tx *Tx) UpdateScimUser(_ context.Context, u *ScimUser) error {
	resource := u.Resource
	if u.DeletedAt != nil {
		resource = noEmails
	}
	emails, err := emailsOf(resource)
	if err != nil {
		return fmt.Errorf("write SCIM user: %w", err)
	}
	differ := u.indexed == nil
	if !differ {
		before, err := emailsOf(u.indexed)
		if err != nil {
			return fmt.Errorf("write SCIM user: %w", err)
		}
		differ = !slices.Equal(before, emails)
	}
	tx.queue(queued{check: true, row: func(row pgx.Row) error {
		err := row.Scan(&u.ModifiedAt)
		if errors.Is(err, pgx.ErrNoRows) {
			return scimChanged("user", u.ID)
		}
		return scimConflict("write SCIM user", err)
	}}, `
		update scim_users set identity_id = $4, source = $5, resource = $6, deleted_at = $7,
			version = version + 1, modified_at = greatest(modified_at, now())
		where org = $1 and id = $2 and version = $3 returning modified_at`,
		tx.Org, u.ID, u.Version, u.Identity, u.Source, u.Resource, u.DeletedAt)
	if differ {
		tx.write("write emails of SCIM user", `delete from scim_emails where org = $1 and user_id = $2 and value <> all (array(
			select scim_fold(v) from unnest($3::text[]) v))`, tx.Org, u.ID, emails)
		tx.write("write emails of SCIM user", addScimEmails, tx.Org, u.ID, emails)
	}
	u.Version, u.indexed = u.Version+1, resource
	return nil
}

// DeleteScimUser marks a user as deleted, if it still has the Version that was read, and takes it out of all its groups,
// which it answers. Its row stays, for a rehire.
//
// It takes its locks as all do: groups in the order of their ids, then users. Whoever adds a member locks the member
// against this.
func (tx *Tx) DeleteScimUser(ctx context.Context, u *ScimUser) ([]ScimGroup, error) {
	if err := tx.lockGroupsOf(ctx, u.ID); err != nil {
		return nil, err
	}
	err := tx.QueryRow(ctx, `
		with locked as (
			select id from scim_users where org = $1 and id = $2 and version = $3 and deleted_at is null for update
		), emails as (
			delete from scim_emails e using locked l where e.org = $1 and e.user_id = l.id
		)
		update scim_users u set deleted_at = now(), version = version + 1, modified_at = greatest(modified_at, now())
		from locked where u.org = $1 and u.id = locked.id returning u.version, u.modified_at, u.deleted_at`,
		tx.Org, u.ID, u.Version).Scan(&u.Version, &u.ModifiedAt, &u.DeletedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, scimChanged("user", u.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("delete SCIM user: %w", err)
	}
	u.indexed = noEmails
	return tx.leaveGroups(ctx, u.ID)
}

func scimChanged(kind string, id uuid.UUID) error {
	return identity.Errorf(identity.Conflict, "the SCIM %s %s was changed or deleted meanwhile: read it again", kind, id)
}

// scimConflict names the attribute that a write wanted to have for itself.
func scimConflict(doing string, err error) error {
	if err == nil {
		return nil
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && isUnique(err) && pg.ConstraintName == "scim_users_user_name" {
		return &identity.Error{Code: identity.Conflict, Field: "userName", Message: "another user of the organization has this userName"}
	}
	return fmt.Errorf("%s: %w", doing, err)
}
