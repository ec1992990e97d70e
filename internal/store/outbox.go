package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tenurehq/tenure/internal/identity"
)

// Poke is one row of the outbox as the relay claimed it.
type Poke struct {
	Org      string
	Identity uuid.UUID
	Version  int64
	Class    identity.Class
	Due      *time.Time
	Fence    int64
	Attempts int
	// Fresh is true when the identity has never settled; with State it decides the workflow's type.
	Fresh bool
	State identity.State
	// Request is the id of the newest request that asked for it, empty when none did.
	Request string
}

// Enqueue leaves a poke for the identity in the outbox, in the caller's transaction. There is one row an identity: a
// second poke merges into it, keeps the more urgent class, the newest version and the newest request, and takes it back from
// a relay that holds it, whose later delete then finds another fencing number.
func (tx *Tx) Enqueue(ctx context.Context, id uuid.UUID, version int64, class identity.Class, due *time.Time) error {
	tx.write("enqueue poke", enqueue+` values ($1, $2, $3, $4, $5, $6)`+merge, tx.Org, id, version, int(class), due, tx.Request)
	return nil
}

const (
	enqueue = `insert into outbox as o (org, identity_id, version, class, due_at, request_id)`
	merge   = ` on conflict (org, identity_id) do update set
		version = greatest(o.version, excluded.version), class = least(o.class, excluded.class),
		due_at = greatest(o.due_at, excluded.due_at), fence = excluded.fence, leased_until = null,
		request_id = coalesce(nullif(excluded.request_id, ''), o.request_id)`
)

// InEngineFor is how long somebody who was handed to Temporal and has not settled counts as being in the engine. Who
// takes longer does not keep others from their turn.
const InEngineFor = 15 * time.Second

// leastShare is how many people an organization may have in the engine beside others, however many those are. Who was served
// clearly more may have half as many.
const leastShare = 4

// Room bounds what Claim hands out.
type Room struct {
	Pokes int // at most so many
	// Engine is how many people may be in the engine at once. Several organizations that have work divide it and leave one
	// share free, so that whoever comes finds the engine less than full; each has some places at least. What waits in the
	// outbox can be overtaken by a leave, or by another organization, at no cost; what waits in the engine's queues cannot.
	Engine int
	// Delivering says how many pokes of each organization are on their way, which counts as being in the engine. An
	// organization that is named counts as having work, whatever the outbox holds of it.
	Delivering map[string]int
	// Modest are organizations that have few places whatever their share; Yield those of which nothing is handed out now.
	Modest, Yield []string
}

// Claim leases pokes for the given time, in a short transaction, turn by turn among the organizations, as many as there is
// room for. Leaves are left to ClaimUrgent. Rows whose identity is settled are dropped on the way, unless something is
// due, by now or by the time that the row names.
func (s *Store) Claim(ctx context.Context, now time.Time, lease time.Duration, room Room) ([]Poke, error) {
	orgs, delivering := make([]string, 0, len(room.Delivering)), make([]int, 0, len(room.Delivering))
	for org, n := range room.Delivering {
		orgs, delivering = append(orgs, org), append(delivering, n)
	}
	// The lateral join gives each organization its share of the batch through the index outbox_turns, whatever the
	// length of another's queue.
	return s.claim(ctx, `
		with recursive orgs as (
			(select org from outbox order by org limit 1)
			union all
			select (select o.org from outbox o where o.org > orgs.org order by o.org limit 1) from orgs where orgs.org is not null
		), active as (
			select count(*) as n from (select org from orgs where org is not null union select unnest($6::text[])) named
		), share as (
			select greatest(1, ceil($3::numeric / greatest(1, count(*)))) as n,
				(select case when a.n > 1 then greatest($10, $4 / (a.n + 1)) else $4 end from active a) as most
			from orgs where org is not null
		), room as (
			select orgs.org, least(share.n, case when orgs.org = any($9::text[]) then $10 / 2 else share.most end
				- (select count(*) from identities i where i.org = orgs.org and i.settled_version < i.version and i.poked_at > $5)
				- coalesce(d.n, 0))::int * (orgs.org <> all($8::text[]))::int as n
			from share, orgs left join unnest($6::text[], $7::int[]) as d(org, n) on d.org = orgs.org where orgs.org is not null
		), picked as (
			select r.org, r.identity_id from room, lateral (
				select o.org, o.identity_id from outbox o
				where o.org = room.org and o.class > 1 and (o.leased_until is null or o.leased_until <= $1)
				order by o.class, o.created_at limit greatest(room.n, 0) for update skip locked) r
			limit $3
		)`, now, lease, room.Pokes, room.Engine, now.Add(-InEngineFor), orgs, delivering,
		append([]string{}, room.Yield...), append([]string{}, room.Modest...), leastShare)
}

// ClaimUrgent is Claim for leaves, the oldest first.
func (s *Store) ClaimUrgent(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]Poke, error) {
	return s.claim(ctx, `
		with picked as (
			select org, identity_id from outbox
			where class = 1 and (leased_until is null or leased_until <= $1)
			order by created_at limit $3 for update skip locked
		)`, now, lease, limit)
}

func (s *Store) claim(ctx context.Context, picked string, now time.Time, lease time.Duration, limit int, more ...any) ([]Poke, error) {
	rows, err := s.engine.Query(ctx, picked+`, claimed as (
			update outbox o set leased_until = $2, attempts = attempts + 1 from picked p
			where o.org = p.org and o.identity_id = p.identity_id
			returning o.*
		)
		select c.org, c.identity_id, c.version, c.class, c.due_at, c.fence, c.attempts, c.request_id, i.settled_version = 0, i.state,
			i.settled_version >= c.version and i.settled_version >= i.version and i.settled_policy >= g.policy_version
				and (i.next_due_at is null or i.next_due_at > greatest($1, c.due_at))
		from claimed c
		join identities i on i.org = c.org and i.id = c.identity_id
		join organizations g on g.id = c.org
		order by c.class, c.created_at`, append([]any{now, now.Add(lease), limit}, more...)...)
	if err != nil {
		return nil, fmt.Errorf("claim pokes: %w", err)
	}
	defer rows.Close()
	var pokes, settled []Poke
	for rows.Next() {
		var p Poke
		var isSettled bool
		if err := rows.Scan(&p.Org, &p.Identity, &p.Version, &p.Class, &p.Due, &p.Fence, &p.Attempts, &p.Request, &p.Fresh, &p.State, &isSettled); err != nil {
			return nil, fmt.Errorf("claim pokes: %w", err)
		}
		if isSettled {
			settled = append(settled, p)
		} else {
			pokes = append(pokes, p)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("claim pokes: %w", err)
	}
	return pokes, s.Delivered(ctx, now, settled)
}

// Delivered deletes the rows that were claimed and handed to Temporal, each only if its fencing number is the one that
// was claimed: a relay frozen past its lease deletes nothing that came after.
func (s *Store) Delivered(ctx context.Context, now time.Time, pokes []Poke) error {
	if len(pokes) == 0 {
		return nil
	}
	orgs, ids, fences := make([]string, len(pokes)), make([]uuid.UUID, len(pokes)), make([]int64, len(pokes))
	for i, p := range pokes {
		orgs[i], ids[i], fences[i] = p.Org, p.Identity, p.Fence
	}
	// Two statements, not one: an acceptance locks the identity before the outbox row, so nothing may hold them the other
	// way round.
	var done []uuid.UUID
	err := retrying(ctx, func() error {
		rows, err := s.engine.Query(ctx, `
			delete from outbox o using unnest($1::text[], $2::uuid[], $3::bigint[]) as d(org, id, fence)
			where o.org = d.org and o.identity_id = d.id and o.fence = d.fence returning o.identity_id`, orgs, ids, fences)
		if err != nil {
			return err
		}
		done, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	if err != nil {
		return fmt.Errorf("delete delivered pokes: %w", err)
	}
	err = retrying(ctx, func() error {
		_, err := s.engine.Exec(ctx, `
			with locked as (
				select i.org, i.id from identities i join unnest($1::text[], $2::uuid[]) as d(org, id) on i.org = d.org and i.id = d.id
				where i.id = any($3) order by i.id for no key update of i
			)
			update identities i set poked_at = $4 from locked l where i.org = l.org and i.id = l.id`, orgs, ids, done, now)
		return err
	})
	if err != nil {
		return fmt.Errorf("note delivered pokes: %w", err)
	}
	return nil
}

// Postpone gives a claimed poke back, to be tried again at the given time.
func (s *Store) Postpone(ctx context.Context, p Poke, until time.Time) error {
	_, err := s.engine.Exec(ctx, `update outbox set leased_until = $4 where org = $1 and identity_id = $2 and fence = $3`,
		p.Org, p.Identity, p.Fence, until)
	if err != nil {
		return fmt.Errorf("postpone poke: %w", err)
	}
	return nil
}

// OutboxDepth counts the pokes that wait, by class, and the age of the oldest.
func (s *Store) OutboxDepth(ctx context.Context, now time.Time) (map[identity.Class]int, time.Duration, error) {
	rows, err := s.engine.Query(ctx, `select class, count(*), min(created_at) from outbox group by class`)
	if err != nil {
		return nil, 0, fmt.Errorf("count pokes: %w", err)
	}
	defer rows.Close()
	depth := map[identity.Class]int{}
	var oldest time.Duration
	for rows.Next() {
		var class identity.Class
		var n int
		var since time.Time
		if err := rows.Scan(&class, &n, &since); err != nil {
			return nil, 0, fmt.Errorf("count pokes: %w", err)
		}
		depth[class], oldest = n, max(oldest, now.Sub(since))
	}
	return depth, oldest, rows.Err()
}

// channel is where a write tells the relays of every process that the outbox has something for them.
const channel = "tenure_outbox"

// Wake tells every relay that there is something in the outbox. Callers coalesce: a notification takes a lock of the
// whole cluster, so it is never sent from inside a writing transaction.
func (s *Store) Wake(ctx context.Context) error {
	_, err := s.engine.Exec(ctx, `select pg_notify($1, '')`, channel)
	return err
}

// Listen calls woken after each Wake, from any process, until ctx ends or the connection is lost.
func (s *Store) Listen(ctx context.Context, woken func()) error {
	pooled, err := s.engine.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("listen for pokes: %w", err)
	}
	conn := pooled.Hijack() // a listening connection never goes back to the pool
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "listen "+channel); err != nil {
		return fmt.Errorf("listen for pokes: %w", err)
	}
	woken() // whatever came before we listened
	for {
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return fmt.Errorf("listen for pokes: %w", err)
		}
		woken()
	}
}
