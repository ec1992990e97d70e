package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tenurehq/tenure/internal/identity"
)

// LockPersons serializes what concerns the same person, before any row of theirs exists: exclusively for the person that an
// event is about and for what correlation would know them by, shared for a manager it refers to. All locks are taken in one
// order.
func (tx *Tx) LockPersons(_ context.Context, exclusive []string, shared []string) error {
	tx.write("lock persons", `
		select case when bool_or(x) then pg_advisory_xact_lock(h) else pg_advisory_xact_lock_shared(h) end
		from (select hashtextextended($1 || '/' || k, 0) as h, x from (
			select unnest($2::text[]) as k, true as x union all select unnest($3::text[]), false) keys) hashed
		group by h order by h`, tx.Org, exclusive, shared)
	return nil
}

// Receipt is what an event was answered when it first came.
type Receipt struct {
	Identity *uuid.UUID
	Effect   identity.Effect
}

// Receipt reads the answer that an event was given; nil when it never came.
func (tx *Tx) Receipt(ctx context.Context, origin, eventID string) (*Receipt, error) {
	var r Receipt
	err := tx.QueryRow(ctx, `select identity_id, effect from source_records where org = $1 and origin = $2 and event_id = $3`,
		tx.Org, origin, eventID).Scan(&r.Identity, &r.Effect)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read event's receipt: %w", err)
	}
	return &r, nil
}

// InsertRecord adds an event to the timeline of the configured source.
func (tx *Tx) InsertRecord(ctx context.Context, source string, e identity.Entry, receipt Receipt) error {
	effective, err := e.Effective.MarshalText()
	if err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	patch, err := json.Marshal(e.Patch)
	if err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	tx.write("write event", `
		insert into source_records (org, origin, event_id, source, type, employee_id, relationship_id, sequence, observed_at,
			received_at, effective, rescinds, patch, identity_id, effect)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		tx.Org, e.Source, e.ID, source, e.Type, e.EmployeeID, e.RelationshipID, e.Sequence, e.Time, e.ReceivedAt,
		string(effective), e.Rescinds, patch, receipt.Identity, receipt.Effect)
	return nil
}

// SourcedEntry is an entry with the configured source it belongs to.
type SourcedEntry struct {
	Source string
	identity.Entry
	Effect identity.Effect
}

const selectRecords = `select r.source, r.origin, r.event_id, r.type, r.employee_id, r.relationship_id, r.sequence, r.observed_at,
	r.received_at, r.effective, r.rescinds, r.patch, r.effect from source_records r `

// PersonEntries reads the timeline of one source's person.
func (tx *Tx) PersonEntries(ctx context.Context, source, employeeID string) ([]SourcedEntry, error) {
	rows, err := tx.Query(ctx, selectRecords+`where r.org = $1 and r.source = $2 and r.employee_id = $3`, tx.Org, source, employeeID)
	return collectEntries(rows, err)
}

// IdentityEntries reads the timelines of every source's person that is linked to the identity.
func (tx *Tx) IdentityEntries(ctx context.Context, id uuid.UUID) ([]SourcedEntry, error) {
	rows, err := tx.Query(ctx, selectRecords+`join source_links l on l.org = r.org and l.source = r.source and l.employee_id = r.employee_id
		where l.org = $1 and l.identity_id = $2`, tx.Org, id)
	return collectEntries(rows, err)
}

func collectEntries(rows pgx.Rows, err error) ([]SourcedEntry, error) {
	if err != nil {
		return nil, fmt.Errorf("read timeline: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (SourcedEntry, error) {
		var e SourcedEntry
		var effective string
		var patch []byte
		err := row.Scan(&e.Source, &e.Entry.Source, &e.ID, &e.Type, &e.EmployeeID, &e.RelationshipID, &e.Sequence, &e.Time,
			&e.ReceivedAt, &effective, &e.Rescinds, &patch, &e.Effect)
		if err != nil {
			return e, err
		}
		if err := e.Effective.UnmarshalText([]byte(effective)); err != nil {
			return e, fmt.Errorf("read event %s: %w", e.ID, err)
		}
		if err := json.Unmarshal(patch, &e.Patch); err != nil {
			return e, fmt.Errorf("read event %s: %w", e.ID, err)
		}
		return e, nil
	})
}

// Person finds which identity a source's person is, and reads their timeline. known is false for a person never heard of; a
// known person without an identity has an open case.
func (tx *Tx) Person(ctx context.Context, source, employeeID string) (id *uuid.UUID, known bool, entries []SourcedEntry, err error) {
	tx.queue(queued{doing: "read link", row: func(row pgx.Row) error {
		err := row.Scan(&id)
		if known = err == nil; errors.Is(err, pgx.ErrNoRows) {
			err = nil
		}
		return err
	}}, `select identity_id from source_links where org = $1 and source = $2 and employee_id = $3`, tx.Org, source, employeeID)
	entries, err = tx.PersonEntries(ctx, source, employeeID)
	return id, known, entries, err
}

// SaveLink records which identity a source's person is; a nil id leaves it to a case.
func (tx *Tx) SaveLink(ctx context.Context, source, employeeID string, id *uuid.UUID) error {
	tx.write("write link", `insert into source_links (org, source, employee_id, identity_id) values ($1, $2, $3, $4)
		on conflict (org, source, employee_id) do update set identity_id = excluded.identity_id`, tx.Org, source, employeeID, id)
	return nil
}

// AdoptRecords gives the records of a source's person the identity that a case decided.
func (tx *Tx) AdoptRecords(ctx context.Context, source, employeeID string, id uuid.UUID) error {
	tx.write("adopt records", `update source_records set identity_id = $4 where org = $1 and source = $2 and employee_id = $3`,
		tx.Org, source, employeeID, id)
	return nil
}

// HasLinkFrom reports whether the identity already is somebody in the given source.
func (tx *Tx) HasLinkFrom(ctx context.Context, id uuid.UUID, source string) (bool, error) {
	var has bool
	err := tx.QueryRow(ctx, `select exists (select from source_links where org = $1 and identity_id = $2 and source = $3)`,
		tx.Org, id, source).Scan(&has)
	if err != nil {
		return false, fmt.Errorf("read links: %w", err)
	}
	return has, nil
}

// matchable maps the attributes that correlation can compare to their expressions. Those that are columns have an index.
var matchable = map[string]string{
	"email":             `email_key`,
	"userName":          `user_name_key`,
	"employeeId":        `employee_key`,
	"familyName":        `family_name_key`,
	"givenName":         `lower(attributes->>'givenName')`,
	"displayName":       `lower(attributes->>'displayName')`,
	"workerType":        `lower(attributes->>'workerType')`,
	"department":        `lower(attributes->>'department')`,
	"title":             `lower(attributes->>'title')`,
	"location":          `lower(attributes->>'location')`,
	"timeZone":          `lower(attributes->>'timeZone')`,
	"managerEmployeeId": `lower(manager_key)`,
}

// MatchIdentities finds the identities whose attributes all equal the given values, in either case of letters; at most 20,
// by id. Those who are somebody else in the given source are left out: a source tells its own people apart. One who has
// left is not: they may have come back under another number.
func (tx *Tx) MatchIdentities(ctx context.Context, source string, values map[string]string) ([]uuid.UUID, error) {
	var equal strings.Builder
	args := []any{tx.Org, source}
	for _, attribute := range slices.Sorted(maps.Keys(values)) {
		expression, ok := matchable[attribute]
		if !ok {
			return nil, identity.Errorf(identity.Invalid, "correlation cannot compare attribute %q", attribute)
		}
		args = append(args, values[attribute])
		fmt.Fprintf(&equal, ` and %s = lower($%d)`, expression, len(args))
	}
	rows, err := tx.Query(ctx, `select id from identities i where org = $1 and (state = 'left' or not exists (
		select from source_links l where l.org = i.org and l.identity_id = i.id and l.source = $2))`+equal.String()+` order by id limit 20`, args...)
	if err != nil {
		return nil, fmt.Errorf("match identities: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// Case is a question for a person: is the source's person one of these identities, or somebody new?
type Case struct {
	ID         uuid.UUID   `json:"id"`
	Source     string      `json:"source"`
	EmployeeID string      `json:"employeeId"`
	Candidates []uuid.UUID `json:"candidates"`
	Rule       string      `json:"rule"`
	OpenedAt   time.Time   `json:"openedAt"`
	ResolvedAt *time.Time  `json:"resolvedAt,omitempty"`
	Resolution *string     `json:"resolution,omitempty"`
	ResolvedBy *string     `json:"resolvedBy,omitempty"`
	Identity   *uuid.UUID  `json:"identityId,omitempty"`
}

const selectCases = `select id, source, employee_id, candidates, rule, opened_at, resolved_at, resolution, resolved_by, identity_id from cases `

func scanCase(row pgx.CollectableRow) (Case, error) {
	var c Case
	err := row.Scan(&c.ID, &c.Source, &c.EmployeeID, &c.Candidates, &c.Rule, &c.OpenedAt, &c.ResolvedAt, &c.Resolution, &c.ResolvedBy, &c.Identity)
	return c, err
}

// OpenCase asks the question; one is open at a time for a source's person.
func (tx *Tx) OpenCase(ctx context.Context, c Case) error {
	_, err := tx.Exec(ctx, `insert into cases (org, id, source, employee_id, candidates, rule, opened_at) values ($1, $2, $3, $4, $5, $6, $7)`,
		tx.Org, c.ID, c.Source, c.EmployeeID, c.Candidates, c.Rule, c.OpenedAt)
	if err != nil {
		return fmt.Errorf("open case: %w", err)
	}
	return nil
}

// Cases lists the organization's cases, the oldest first; only the open ones unless all is set.
func (tx *Tx) Cases(ctx context.Context, all bool) ([]Case, error) {
	rows, err := tx.Query(ctx, selectCases+`where org = $1 and ($2 or resolved_at is null) order by opened_at, id limit 1000`, tx.Org, all)
	if err != nil {
		return nil, fmt.Errorf("list cases: %w", err)
	}
	return pgx.CollectRows(rows, scanCase)
}

// CaseForUpdate reads one case and locks it.
func (tx *Tx) CaseForUpdate(ctx context.Context, id uuid.UUID) (Case, error) {
	rows, err := tx.Query(ctx, selectCases+`where org = $1 and id = $2 for update`, tx.Org, id)
	if err != nil {
		return Case{}, fmt.Errorf("read case: %w", err)
	}
	c, err := pgx.CollectExactlyOneRow(rows, scanCase)
	if errors.Is(err, pgx.ErrNoRows) {
		return c, identity.Errorf(identity.NotFound, "no case %s", id)
	}
	return c, err
}

// CloseCase records the answer.
func (tx *Tx) CloseCase(ctx context.Context, id uuid.UUID, resolution, actor string, who uuid.UUID, now time.Time) error {
	_, err := tx.Exec(ctx, `update cases set resolved_at = $3, resolution = $4, resolved_by = $5, identity_id = $6 where org = $1 and id = $2`,
		tx.Org, id, now, resolution, actor, who)
	if err != nil {
		return fmt.Errorf("close case: %w", err)
	}
	return nil
}
