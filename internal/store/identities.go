package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tenurehq/tenure/internal/identity"
)

// Identity is a row of identities. Its State is never leaving: that is read from its accounts.
type Identity struct {
	ID             uuid.UUID
	Version        int64
	State          identity.State
	Attributes     identity.Attributes
	StartsAt       *time.Time
	EndsAt         *time.Time
	Immediate      bool
	Reason         string
	UserName       string
	Mail           string
	ManagerKey     string
	ManagerID      *uuid.UUID
	LeftAt         *time.Time
	AsOf           time.Time // the moment for which the row was last computed
	SettledVersion int64
	SettledPolicy  int64
	NextDueAt      *time.Time
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

const selectIdentity = `select id, version, state, attributes, starts_at, ends_at, immediate, reason, user_name, mail, manager_key,
	manager_id, left_at, coalesce(nullif(as_of, '-infinity'), 'epoch'), settled_version, settled_policy, next_due_at, created_at, updated_at from identities `

const forUpdate = `where org = $1 and id = $2 for no key update`

func scanIdentity(row pgx.Row) (Identity, error) {
	var i Identity
	var attributes []byte
	err := row.Scan(&i.ID, &i.Version, &i.State, &attributes, &i.StartsAt, &i.EndsAt, &i.Immediate, &i.Reason, &i.UserName, &i.Mail,
		&i.ManagerKey, &i.ManagerID, &i.LeftAt, &i.AsOf, &i.SettledVersion, &i.SettledPolicy, &i.NextDueAt, &i.CreatedAt, &i.UpdatedAt)
	if err != nil {
		return i, err
	}
	return i, json.Unmarshal(attributes, &i.Attributes)
}

func collectIdentity(row pgx.CollectableRow) (Identity, error) { return scanIdentity(row) }

// IdentityForUpdate reads one identity and locks its row: whatever changes an identity, or plans for it, does so first.
func (tx *Tx) IdentityForUpdate(ctx context.Context, id uuid.UUID) (Identity, error) {
	return tx.oneIdentity(ctx, selectIdentity+forUpdate, id)
}

// IdentityAndEntriesForUpdate is IdentityForUpdate, and IdentityEntries as they are once the lock is held, in one round trip.
func (tx *Tx) IdentityAndEntriesForUpdate(ctx context.Context, id uuid.UUID) (Identity, []SourcedEntry, error) {
	var i Identity
	var missing bool
	tx.queue(queued{doing: "read identity", row: func(row pgx.Row) (err error) {
		i, err = scanIdentity(row)
		if missing = errors.Is(err, pgx.ErrNoRows); missing {
			err = nil
		}
		return err
	}}, selectIdentity+forUpdate, tx.Org, id)
	entries, err := tx.IdentityEntries(ctx, id)
	if err == nil && missing {
		err = tx.noIdentity(id)
	}
	return i, entries, err
}

// Identity reads one identity; NotFound when the organization has none of that id.
func (tx *Tx) Identity(ctx context.Context, id uuid.UUID) (Identity, error) {
	return tx.oneIdentity(ctx, selectIdentity+`where org = $1 and id = $2`, id)
}

func (tx *Tx) oneIdentity(ctx context.Context, query string, id uuid.UUID) (Identity, error) {
	rows, err := tx.Query(ctx, query, tx.Org, id)
	if err != nil {
		return Identity{}, fmt.Errorf("read identity: %w", err)
	}
	i, err := pgx.CollectExactlyOneRow(rows, collectIdentity)
	if errors.Is(err, pgx.ErrNoRows) {
		return i, tx.noIdentity(id)
	}
	if err != nil {
		return i, fmt.Errorf("read identity: %w", err)
	}
	return i, nil
}

func (tx *Tx) noIdentity(id uuid.UUID) error {
	return identity.Errorf(identity.NotFound, "no identity %s in organization %q", id, tx.Org)
}

// InsertIdentity writes a new identity. The settled columns, and the names, have their own functions.
func (tx *Tx) InsertIdentity(_ context.Context, i Identity) error {
	return tx.writeIdentity(i, `
		insert into identities (org, id, version, state, attributes, starts_at, ends_at, immediate, reason, manager_key, manager_id, left_at, as_of)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`)
}

// SaveIdentity writes what the sources say of an identity that is locked. It writes Version as given: callers that change
// something raise it.
func (tx *Tx) SaveIdentity(_ context.Context, i Identity) error {
	return tx.writeIdentity(i, `
		update identities set version = $3, state = $4, attributes = $5, starts_at = $6, ends_at = $7, immediate = $8, reason = $9,
			manager_key = $10, manager_id = $11, left_at = $12, as_of = greatest(as_of, $13), updated_at = now()
		where org = $1 and id = $2`)
}

func (tx *Tx) writeIdentity(i Identity, sql string) error {
	attributes, err := json.Marshal(i.Attributes)
	if err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	tx.write("write identity", sql,
		tx.Org, i.ID, i.Version, i.State, attributes, i.StartsAt, i.EndsAt, i.Immediate, i.Reason, i.ManagerKey, i.ManagerID, i.LeftAt, i.AsOf)
	return nil
}

// RaiseVersions raises the version of the identities, in id order, and pokes them. It is how work is asked for that no
// source's fact asked for: a manager who arrived, a retry, a target that is back.
func (tx *Tx) RaiseVersions(ctx context.Context, ids []uuid.UUID, class identity.Class) error {
	_, err := tx.raise(ctx, `select unnest($2::uuid[])`, ids, class)
	return err
}

// raise does so for the identities that a query finds; $1 is the organization and $2 its argument.
func (tx *Tx) raise(ctx context.Context, query string, arg any, class identity.Class) (bool, error) {
	tag, err := tx.Exec(ctx, `
		with locked as (
			select id from identities where org = $1 and id in (`+query+`) order by id for no key update
		), raised as (
			update identities i set version = version + 1, updated_at = now() from locked
			where i.org = $1 and i.id = locked.id returning i.id, i.version, i.state
		)
		`+enqueue+` select $1, id, version, case when state = 'left' then 1 else $3 end, null::timestamptz, $4::text from raised`+merge,
		tx.Org, arg, int(class), tx.Request)
	if err != nil {
		return false, fmt.Errorf("raise versions: %w", err)
	}
	return tag.RowsAffected() > 0, nil
}

// ResolveManager finds the identity that a source calls by an employee id; nil while there is none.
func (tx *Tx) ResolveManager(ctx context.Context, employeeID string) (*uuid.UUID, error) {
	var id *uuid.UUID
	err := tx.QueryRow(ctx, `select identity_id from source_links where org = $1 and employee_id = $2 and identity_id is not null
		order by created_at limit 1`, tx.Org, employeeID).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("resolve manager: %w", err)
	}
	return id, nil
}

// AdoptReports gives everyone who named an unknown manager by this employee id the manager who has now arrived, and
// answers who they are.
func (tx *Tx) AdoptReports(ctx context.Context, employeeID string, manager uuid.UUID) ([]uuid.UUID, error) {
	// That the key is not empty is what the index of these is told by.
	rows, err := tx.Query(ctx, `select id from identities where org = $1 and manager_key = $2 and manager_key <> '' and manager_id is null
		order by id for no key update`, tx.Org, employeeID)
	if err != nil {
		return nil, fmt.Errorf("adopt reports: %w", err)
	}
	reports, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil || len(reports) == 0 { // as a rule
		return nil, err
	}
	if _, err := tx.Exec(ctx, `update identities set manager_id = $3 where org = $1 and id = any($2)`, tx.Org, reports, manager); err != nil {
		return nil, fmt.Errorf("adopt reports: %w", err)
	}
	return reports, nil
}

// Reports lists who else has this manager.
func (tx *Tx) Reports(ctx context.Context, manager uuid.UUID) ([]uuid.UUID, error) {
	rows, err := tx.Query(ctx, `select id from identities where org = $1 and manager_id = $2 and id <> $2`, tx.Org, manager)
	if err != nil {
		return nil, fmt.Errorf("list reports: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// ClaimName reserves a unique name of a naming rule for the identity: false when it is another's. folded is the value as
// it is compared.
func (tx *Tx) ClaimName(ctx context.Context, rule, folded string, id uuid.UUID) (bool, error) {
	var owner uuid.UUID
	// The update that changes nothing makes the statement answer the row in either case, and waits for a concurrent
	// claim of the same name to end.
	err := tx.QueryRow(ctx, `insert into names as n (org, rule, value, identity_id) values ($1, $2, $3, $4)
		on conflict (org, rule, value) do update set value = n.value returning identity_id`, tx.Org, rule, folded, id).Scan(&owner)
	if err != nil {
		return false, fmt.Errorf("claim name: %w", err)
	}
	return owner == id, nil
}

// SaveNames writes the names that an identity was given.
func (tx *Tx) SaveNames(ctx context.Context, id uuid.UUID, userName, mail string) error {
	tx.write("write names", `update identities set user_name = $3, mail = $4 where org = $1 and id = $2`, tx.Org, id, userName, mail)
	return nil
}

// Settle records that nothing is left to do for the identity at this version and policy, until due, which is then work
// of the given class.
func (tx *Tx) Settle(ctx context.Context, id uuid.UUID, version, policy int64, due *time.Time, class identity.Class) error {
	tx.write("settle identity", `update identities set settled_version = $3, settled_policy = $4, settled_at = now(), next_due_at = $5,
		next_due_class = $6 where org = $1 and id = $2`, tx.Org, id, version, policy, due, int(class))
	return nil
}

// Unsettled is an identity that the sweeper should look at.
type Unsettled struct {
	Org      string
	Identity uuid.UUID
	Version  int64
	Class    identity.Class
	Due      *time.Time // set when the reason is a scheduled change
	PokedAt  *time.Time
}

// Sweep lists identities that are unsettled, overdue, or behind their organization's policy, that no poke waits for and
// that were neither poked nor looked at since before. Leavers first, then those looked at longest ago.
func (s *Store) Sweep(ctx context.Context, now, before time.Time, limit int) ([]Unsettled, error) {
	rows, err := s.engine.Query(ctx, `
		select i.org, i.id, i.version, case when i.state = 'left' then 1 when i.next_due_at <= $1 then i.next_due_class else 4 end as class,
			case when i.next_due_at <= $1 then i.next_due_at end, i.poked_at
		from identities i join organizations g on g.id = i.org
		where (i.settled_version < i.version or i.next_due_at <= $1 or i.settled_policy < g.policy_version)
			and (i.poked_at is null or i.poked_at <= $2) and (i.swept_at is null or i.swept_at <= $2)
			and not exists (select from outbox o where o.org = i.org and o.identity_id = i.id)
		order by class, i.swept_at nulls first limit $3`, now, before, limit)
	if err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Unsettled, error) {
		var u Unsettled
		err := row.Scan(&u.Org, &u.Identity, &u.Version, &u.Class, &u.Due, &u.PokedAt)
		return u, err
	})
}

// EnqueueDue pokes, in one statement, the identities whose scheduled change is due and that no poke waits for; it
// answers how many.
func (s *Store) EnqueueDue(ctx context.Context, now time.Time, limit int) (int, error) {
	tag, err := s.engine.Exec(ctx, enqueue+`
		select i.org, i.id, i.version, i.next_due_class, i.next_due_at, '' from identities i
		where i.next_due_at <= $1 and (i.poked_at is null or i.poked_at < i.next_due_at)
			and not exists (select from outbox x where x.org = i.org and x.identity_id = i.id)
		order by i.next_due_class, i.next_due_at limit $2`+merge, now, limit)
	if err != nil {
		return 0, fmt.Errorf("enqueue due pokes: %w", err)
	}
	return int(tag.RowsAffected()), nil
}

// EnqueueSwept pokes an identity on the sweeper's behalf: its version stays.
func (s *Store) EnqueueSwept(ctx context.Context, u Unsettled) error {
	_, err := s.engine.Exec(ctx, enqueue+` values ($1, $2, $3, $4, $5, '')`+merge, u.Org, u.Identity, u.Version, int(u.Class), u.Due)
	if err != nil {
		return fmt.Errorf("enqueue swept poke: %w", err)
	}
	return nil
}

// NoteSwept remembers that the sweeper looked at an identity whose run is at work.
func (s *Store) NoteSwept(ctx context.Context, u Unsettled, now time.Time) error {
	_, err := s.engine.Exec(ctx, `update identities set swept_at = $3 where org = $1 and id = $2`, u.Org, u.Identity, now)
	if err != nil {
		return fmt.Errorf("note sweep: %w", err)
	}
	return nil
}

// AllPresent reads every identity of the organization that has not left.
func (tx *Tx) AllPresent(ctx context.Context) ([]Identity, error) {
	rows, err := tx.Query(ctx, selectIdentity+`where org = $1 and state <> 'left' order by id`, tx.Org)
	if err != nil {
		return nil, fmt.Errorf("read identities: %w", err)
	}
	return pgx.CollectRows(rows, collectIdentity)
}
