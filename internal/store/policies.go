package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tenurehq/tenure/internal/identity"
)

// PolicyRow is one version of an organization's policy, in its canonical form.
type PolicyRow struct {
	Version   int64
	Hash      string
	Document  []byte
	AppliedBy string
	AppliedAt time.Time
}

// Policy reads one version of the policy; nil for version 0, which is no policy.
func (tx *Tx) Policy(ctx context.Context, version int64) (*PolicyRow, error) {
	var p PolicyRow
	err := tx.QueryRow(ctx, `select version, hash, document, applied_by, applied_at from policies where org = $1 and version = $2`, tx.Org, version).
		Scan(&p.Version, &p.Hash, &p.Document, &p.AppliedBy, &p.AppliedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	return &p, nil
}

// ApplyPolicy stores a new version, if the one in force is still the one it was compared with, and makes it the one in
// force. Identities that it does not affect, and that wait for nothing, are settled under it at once; the sweeper pokes
// the others in waves.
func (tx *Tx) ApplyPolicy(ctx context.Context, from int64, p PolicyRow, affected []uuid.UUID) error {
	tag, err := tx.Exec(ctx, `update organizations set policy_version = $3 where id = $1 and policy_version = $2`, tx.Org, from, p.Version)
	if err != nil {
		return fmt.Errorf("apply policy: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return identity.Errorf(identity.Conflict, "the policy of %q changed while this one was compared with it: apply again", tx.Org)
	}
	if _, err := tx.Exec(ctx, `insert into policies (org, version, hash, document, applied_by) values ($1, $2, $3, $4, $5)`,
		tx.Org, p.Version, p.Hash, p.Document, p.AppliedBy); err != nil {
		return fmt.Errorf("apply policy: %w", err)
	}
	if _, err := tx.Exec(ctx, `update identities set settled_policy = $3 where org = $1 and settled_policy = $2 and id <> all(coalesce($4::uuid[], '{}'))
			and not exists (select from accounts a where a.org = $1 and a.identity_id = identities.id and a.outcome in ('failed', 'blocked'))`,
		tx.Org, from, p.Version, affected); err != nil {
		return fmt.Errorf("apply policy: %w", err)
	}
	return nil
}

// Target is a system that the policy names, with its health.
type Target struct {
	Name      string     `json:"name"`
	Connector string     `json:"connector"`
	Health    string     `json:"health"` // up, degraded, down, paused
	Since     time.Time  `json:"since"`
	Reason    string     `json:"reason,omitempty"`
	ProbedAt  *time.Time `json:"probedAt,omitempty"`
	Blocked   int        `json:"blocked"` // people whom it holds up
}

// SaveTargets makes the organization's targets those given; the health of one that stays is kept, one that is no longer
// named is retired.
func (tx *Tx) SaveTargets(ctx context.Context, names, connectors []string) error {
	_, err := tx.Exec(ctx, `insert into targets (org, name, connector) select $1, * from unnest($2::text[], $3::text[])
		on conflict (org, name) do update set connector = excluded.connector, retired_at = null`, tx.Org, names, connectors)
	if err != nil {
		return fmt.Errorf("save targets: %w", err)
	}
	if _, err := tx.Exec(ctx, `update targets set retired_at = now() where org = $1 and name <> all(coalesce($2::text[], '{}'))
		and retired_at is null`, tx.Org, names); err != nil {
		return fmt.Errorf("save targets: %w", err)
	}
	return nil
}

// Targets lists the organization's targets.
func (tx *Tx) Targets(ctx context.Context) ([]Target, error) {
	rows, err := tx.Query(ctx, `select t.name, t.connector, t.health, t.health_since, t.health_reason, t.probed_at,
			(select count(*) from accounts a where a.org = t.org and a.target = t.name and a.outcome = 'blocked')
		from targets t where t.org = $1 and t.retired_at is null order by t.name`, tx.Org)
	if err != nil {
		return nil, fmt.Errorf("list targets: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Target, error) {
		var t Target
		err := row.Scan(&t.Name, &t.Connector, &t.Health, &t.Since, &t.Reason, &t.ProbedAt, &t.Blocked)
		return t, err
	})
}

// TargetHealth reads a target's health and since when.
func (tx *Tx) TargetHealth(ctx context.Context, name string) (health string, since time.Time, err error) {
	err = tx.QueryRow(ctx, `select health, health_since from targets where org = $1 and name = $2`, tx.Org, name).Scan(&health, &since)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", since, identity.Errorf(identity.NotFound, "no target %q in organization %q", name, tx.Org)
	}
	if err != nil {
		return "", since, fmt.Errorf("read target: %w", err)
	}
	return health, since, nil
}

// DownTargets names the organization's targets that should not be called: those down, and those a person paused.
func (tx *Tx) DownTargets(ctx context.Context) (map[string]bool, error) {
	rows, err := tx.Query(ctx, `select name from targets where org = $1 and health in ('down', 'paused')`, tx.Org)
	if err != nil {
		return nil, fmt.Errorf("list targets that are down: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	down := map[string]bool{}
	for _, name := range names {
		down[name] = true
	}
	return down, err
}

// SetTargetHealth changes a target's health; it answers whether that was a change. reason is a code, never the target's words.
func (tx *Tx) SetTargetHealth(ctx context.Context, name, health, reason string, now time.Time) (bool, error) {
	tag, err := tx.Exec(ctx, `update targets set health = $3, health_since = $5, health_reason = $4 where org = $1 and name = $2 and health <> $3`,
		tx.Org, name, health, reason, now)
	if err != nil {
		return false, fmt.Errorf("set target's health: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// NoteProbe remembers when a target was last probed.
func (tx *Tx) NoteProbe(ctx context.Context, name string, now time.Time) error {
	_, err := tx.Exec(ctx, `update targets set probed_at = $3 where org = $1 and name = $2`, tx.Org, name, now)
	if err != nil {
		return fmt.Errorf("note probe: %w", err)
	}
	return nil
}

// BlockedOn lists up to limit identities that wait for a target and have no poke coming, those who have left first.
func (tx *Tx) BlockedOn(ctx context.Context, target string, limit int) ([]uuid.UUID, error) {
	rows, err := tx.Query(ctx, `select i.id from accounts a join identities i on i.org = a.org and i.id = a.identity_id
		where a.org = $1 and a.target = $2 and a.outcome = 'blocked'
			and (i.settled_version = i.version or i.state = 'left')
			and not exists (select from outbox o where o.org = i.org and o.identity_id = i.id)
		order by i.state <> 'left', a.blocked_since limit $3`, tx.Org, target, limit)
	if err != nil {
		return nil, fmt.Errorf("list blocked identities: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// TargetName names a target of any organization.
type TargetName struct{ Org, Name string }

// DownTargets lists the targets that are down, for the sweeper, which sees to it that each is probed.
func (s *Store) DownTargets(ctx context.Context) ([]TargetName, error) {
	rows, err := s.engine.Query(ctx, `select org, name from targets where health = 'down' and retired_at is null order by org, name`)
	if err != nil {
		return nil, fmt.Errorf("list targets that are down: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[TargetName])
}

// UpTargetsWaitedFor lists the targets that are up though a settled joiner or mover waits for them: they went to wait at
// the moment the target came back. Leavers try again by themselves.
func (s *Store) UpTargetsWaitedFor(ctx context.Context) ([]TargetName, error) {
	rows, err := s.engine.Query(ctx, `select distinct t.org, t.name from accounts a
		join targets t on t.org = a.org and t.name = a.target
		join identities i on i.org = a.org and i.id = a.identity_id
		where a.outcome = 'blocked' and t.health in ('up', 'degraded') and i.state <> 'left' and i.settled_version = i.version`)
	if err != nil {
		return nil, fmt.Errorf("list targets waited for: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[TargetName])
}

// TargetsInUse lists the targets, other than those named, in which an account may still give access: it does, or what was
// taken away has not been read back a second time.
func (tx *Tx) TargetsInUse(ctx context.Context, but []string) ([]string, error) {
	rows, err := tx.Query(ctx, `select distinct target from accounts where org = $1 and target <> all(coalesce($2::text[], '{}'))
		and (state in ('pending', 'active') or in_flight_until is not null or confirm_due_at is not null and confirmed_at is null)
		order by target`, tx.Org, but)
	if err != nil {
		return nil, fmt.Errorf("list targets in use: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
