package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Durations sums up how long a kind of work took, in seconds.
type Durations struct {
	Count int     `json:"count" doc:"people for whom all of it is done"`
	Open  int     `json:"open" doc:"people for whom some of it is not done"`
	P50   float64 `json:"p50" doc:"seconds"`
	P99   float64 `json:"p99" doc:"seconds"`
	Max   float64 `json:"max" doc:"seconds"`
}

// clockSlack is by how much a plan's clock (Temporal's) may be behind that of the API which received the event.
const clockSlack = "interval '10 seconds'"

// Period is a time from Since, inclusive, to Until, exclusive. The zero value of either leaves that side open.
type Period struct{ Since, Until time.Time }

// until is a moment that nothing is after when Until is zero.
func (p Period) until() time.Time {
	if p.Until.IsZero() {
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return p.Until
}

// durations measures, from each beginning to the moment when the last of the operations that followed from it was
// verified. Its parameters are the organization and the period, and what operations has besides.
//
// What belongs to a beginning is the work that was asked for from then on, up to the first moment at which all of it was
// done: what is asked for later has another cause. A plan that was superseded counts as ended when the next plan for the
// same target asked. Work that was asked for long after the beginning (an account whose pre-hire window opened weeks
// later) is measured from when it was asked for.
func durations(beginnings, operations string) string {
	return `
	with beginnings as (
		select identity_id, at, lead(at) over (partition by identity_id order by at) as until from (` + beginnings + `) b
	), plans as (
		select b.identity_id, b.at, o.target, o.plan_id, min(o.requested_at) as asked,
			max(o.verified_at) as done, bool_or(o.verified_at is null and o.status <> 'superseded') as waiting,
			bool_or(o.verified_at is null and o.status = 'superseded') as superseded
		from beginnings b join operations o on o.org = $1 and o.identity_id = b.identity_id
			and o.requested_at >= b.at - ` + clockSlack + ` and (b.until is null or o.requested_at < b.until - ` + clockSlack + `)
		where o.status <> 'unsupported' and ` + operations + `
		group by b.identity_id, b.at, o.target, o.plan_id
	), ended as (
		select *, case when waiting then 'infinity'
			when superseded then coalesce(lead(asked) over (partition by identity_id, at, target order by asked), done)
			else done end as ended from plans
	), gaps as (
		select *, max(ended) over (partition by identity_id, at order by asked
			rows between unbounded preceding and 1 preceding) as before from ended
	), pieces as (
		select *, coalesce(bool_or(asked > before) over (partition by identity_id, at order by asked), false) as later from gaps
	), people as (
		select identity_id, at, bool_or(waiting) as open,
			extract(epoch from max(done) - case when min(asked) > at + interval '1 hour' then min(asked) else at end) as seconds
		from pieces where not later group by identity_id, at having bool_or(waiting) or max(done) is not null
	)
	select count(*) filter (where not open), count(*) filter (where open),
		coalesce(percentile_cont(0.5) within group (order by seconds) filter (where not open), 0)::float8,
		coalesce(percentile_cont(0.99) within group (order by seconds) filter (where not open), 0)::float8,
		coalesce(max(seconds) filter (where not open), 0)::float8
	from people`
}

// TimeToProvision measures, for each join and rehire received in the period, from its receipt to the last verified
// creation, enablement and grant.
func (tx *Tx) TimeToProvision(ctx context.Context, period Period) (Durations, error) {
	return tx.durations(ctx, period, durations(
		`select identity_id, received_at as at from source_records
			where org = $1 and received_at >= $2 and received_at < $3 and effect in ('join', 'rehire') and identity_id is not null`,
		`(o.action in ('create', 'enable') or o.action like 'grant:%')`))
}

// TimeToDeprovision measures, for each leave that took effect in the period, from the moment it was known and in force to
// the last verified operation of a tier.
func (tx *Tx) TimeToDeprovision(ctx context.Context, period Period, tier int) (Durations, error) {
	return tx.durations(ctx, period, durations(
		`select identity_id, received_at as at from source_records
			where org = $1 and received_at >= $2 and received_at < $3 and effect = 'leave' and identity_id is not null
		union select id, left_at from identities where org = $1 and left_at >= $2 and left_at < $3`,
		`o.tier = $4`), tier)
}

func (tx *Tx) durations(ctx context.Context, period Period, query string, more ...any) (Durations, error) {
	var d Durations
	err := tx.QueryRow(ctx, query, append([]any{tx.Org, period.Since, period.until()}, more...)...).Scan(&d.Count, &d.Open, &d.P50, &d.P99, &d.Max)
	if err != nil {
		return d, fmt.Errorf("measure times: %w", err)
	}
	return d, nil
}

// TargetCount is how many accounts of a target were worked on.
type TargetCount struct {
	Target   string `json:"target"`
	Created  int    `json:"created"`
	Updated  int    `json:"updated"`
	Enabled  int    `json:"enabled"`
	Disabled int    `json:"disabled"`
}

// TargetCounts counts the operations on accounts that were verified since.
func (tx *Tx) TargetCounts(ctx context.Context, since time.Time) ([]TargetCount, error) {
	rows, err := tx.Query(ctx, `select target, count(*) filter (where action = 'create'), count(*) filter (where action = 'update'),
			count(*) filter (where action = 'enable'), count(*) filter (where action = 'disable')
		from operations where org = $1 and verified_at >= $2 and action in ('create', 'update', 'enable', 'disable')
		group by target order by target`, tx.Org, since)
	if err != nil {
		return nil, fmt.Errorf("count operations: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[TargetCount])
}

// OpenOperations counts the operations that are not over, by status; stuck are those of a leave past their deadline,
// which are counted under their own status, too.
func (tx *Tx) OpenOperations(ctx context.Context, now time.Time) (map[string]int, error) {
	rows, err := tx.Query(ctx, `
		select status, count(*) from operations where org = $1 and `+openOperations+` group by status
		union all
		select 'stuck', count(*) from operations where org = $1 and `+fmt.Sprintf(overdue, "$2")+`
		having count(*) > 0`, tx.Org, now)
	if err != nil {
		return nil, fmt.Errorf("count operations: %w", err)
	}
	counts := map[string]int{}
	var status string
	var n int
	_, err = pgx.ForEachRow(rows, []any{&status, &n}, func() error {
		counts[status] = n
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count operations: %w", err)
	}
	return counts, nil
}

// Punctuality says how many of a tier's actions met their deadline.
type Punctuality struct {
	Tier    int `json:"tier"`
	Actions int `json:"actions" doc:"that were asked for, each once for a leave and a target, without those that a target cannot do"`
	InTime  int `json:"inTime" doc:"verified by the deadline"`
	Late    int `json:"late" doc:"verified after the deadline"`
	Open    int `json:"open" doc:"not verified, and not due yet"`
	Overdue int `json:"overdue" doc:"not verified, though the deadline is over"`
}

// Breach is an action of a leave that missed its deadline.
type Breach struct {
	Identity   uuid.UUID  `json:"identityId" format:"uuid"`
	Target     string     `json:"target"`
	Action     string     `json:"action"`
	Tier       int        `json:"tier"`
	DeadlineAt time.Time  `json:"deadlineAt"`
	VerifiedAt *time.Time `json:"verifiedAt,omitempty" doc:"absent while it is not"`
	Status     string     `json:"status"`
	ErrorCode  string     `json:"errorCode,omitempty"`
}

// leaveActions are a period's actions of leaves by what came of them. Each is there once for a leave: plans that asked for it
// again took the place of the ones before, and its deadline, which counts from the leave, tells the leaves of a person
// apart. Its parameters are the organization and the period.
const leaveActions = `select distinct on (identity_id, target, action, deadline_at)
		identity_id, target, action, tier, deadline_at, verified_at, status, error_code
	from operations where org = $1 and tier is not null and deadline_at is not null and requested_at >= $2 and requested_at < $3
		and status not in ('superseded', 'unsupported')
	order by identity_id, target, action, deadline_at, requested_at desc`

// Punctuality counts the actions of leaves that were asked for in the period, by tier.
func (tx *Tx) Punctuality(ctx context.Context, period Period, now time.Time) ([]Punctuality, error) {
	rows, err := tx.Query(ctx, `select tier, count(*), count(*) filter (where verified_at <= deadline_at), count(*) filter (where verified_at > deadline_at),
			count(*) filter (where verified_at is null and deadline_at >= $4), count(*) filter (where verified_at is null and deadline_at < $4)
		from (`+leaveActions+`) a group by tier order by tier`, tx.Org, period.Since, period.until(), now)
	if err != nil {
		return nil, fmt.Errorf("count actions of leaves: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Punctuality])
}

// Breaches lists the actions of leaves that were asked for in the period and missed their deadline, those that are open
// first, then the newest; at most limit.
func (tx *Tx) Breaches(ctx context.Context, period Period, now time.Time, limit int) ([]Breach, error) {
	rows, err := tx.Query(ctx, `select identity_id, target, action, tier, deadline_at, verified_at, status, error_code from (`+leaveActions+`) a
		where coalesce(verified_at, $4) > deadline_at
		order by verified_at is not null, deadline_at desc, identity_id, target, action limit $5`, tx.Org, period.Since, period.until(), now, limit)
	if err != nil {
		return nil, fmt.Errorf("list breaches: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Breach])
}
