package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
)

// killResults are the times from the sending of a leave to its tier 1 read back in all targets.
type killResults struct {
	fresh, queued []time.Duration    // sorted
	legs          [4][]time.Duration // of those who had accounts: see legNames; sorted
	leastQueued   int                // joiners that waited, at the worst moment
	withAccounts  int                // of the queued: those that had anything to take away
	lag           time.Duration      // of the targets, until they show that a revocation has taken effect
}

// legNames are the parts of the way of a kill.
var legNames = [4]string{
	"sent → delivered (intake, and the relay's batch with it)", "sent → planned (intake, relay, workflow task, plan)",
	"planned → begun (activity task)", "begun → verified (calls and commits)",
}

const (
	// killEvery spaces the kills: nobody waits for the one before.
	killEvery = 150 * time.Millisecond
	killLimit = 2 * time.Minute // for the last of them
)

// killed is one person who was killed, and when that was sent.
type killed struct {
	id     uuid.UUID
	queued bool
	sent   time.Time
}

// measureKills keeps joiners queued, kills people among those who have settled and among those queued, in turn, and
// reads from the record when tier 1 was verified. With nobody to be queued it kills people who have settled only.
func measureKills(ctx context.Context, o options, p *product) (*killResults, error) {
	victims := o.kills
	if o.queued > 0 {
		victims = (o.kills + 1) / 2
	}
	settled, err := p.settlePeople(ctx, victims)
	if err != nil {
		return nil, err
	}
	r := &killResults{leastQueued: o.queued}
	if o.queued == 0 {
		step("killing %d people", o.kills)
		killed, err := p.killInTurn(ctx, settled, o.kills, false)
		if err != nil {
			return nil, err
		}
		return r, p.collect(ctx, killed, r)
	}
	return r, p.killAmong(ctx, o, settled, r)
}

// killAmong kills people while joiners are kept queued.
func (p *product) killAmong(ctx context.Context, o options, settled []string, r *killResults) error {
	step("queueing %d joiners", o.queued)
	if err := p.accept(ctx, p.org, o.queued+writers); err != nil {
		return err
	}
	step("killing %d people", o.kills)
	running, stop := context.WithCancel(ctx)
	defer stop()
	group, running := errgroup.WithContext(running)
	group.Go(func() error { return p.keepQueued(running, o.queued, r) })
	var victims []killed
	group.Go(func() (err error) {
		defer stop() // ends the top-up
		victims, err = p.killInTurn(running, settled, o.kills, true)
		return err
	})
	if err := group.Wait(); err != nil {
		return err
	}
	return p.collect(ctx, victims, r)
}

// settlePeople answers people with accounts in all targets and nothing left to do; it brings more in when there are too
// few.
func (p *product) settlePeople(ctx context.Context, n int) ([]string, error) {
	have, err := p.settled(ctx)
	if err != nil {
		return nil, err
	}
	if have < n {
		step("settling %d people", n-have)
		if _, err := p.round(ctx, n-have); err != nil {
			return nil, err
		}
	}
	found, err := p.db.admin.Query(ctx, `select attributes->>'employeeId' from identities where org = $1 and settled_version >= version
		and state = 'active' order by random() limit $2`, p.org, n)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowTo[string])
}

// keepQueued hands joiners in as others are done, until ctx ends.
func (p *product) keepQueued(ctx context.Context, want int, r *killResults) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		var waiting int
		err := p.db.admin.QueryRow(ctx, `select count(*) from identities where org = $1 and settled_version = 0 and state = 'active'`, p.org).Scan(&waiting)
		if err == nil {
			r.leastQueued = min(r.leastQueued, waiting)
			err = p.accept(ctx, p.org, max(want+writers-waiting, 0))
		}
		if ctx.Err() != nil {
			return nil // that is how it ends
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// killInTurn kills one of the settled, one of the queued if those are to be killed too, and so on.
func (p *product) killInTurn(ctx context.Context, settled []string, n int, queuedToo bool) ([]killed, error) {
	var victims []killed
	ticker := time.NewTicker(killEvery)
	defer ticker.Stop()
	for i := range n {
		queued := queuedToo && i%2 == 1
		var person string
		switch {
		case !queuedToo:
			person = settled[i]
		case !queued:
			person = settled[i/2]
		default:
			err := p.db.admin.QueryRow(ctx, `select attributes->>'employeeId' from identities where org = $1 and settled_version = 0
				and state = 'active' order by random() limit 1`, p.org).Scan(&person)
			if err != nil {
				return nil, fmt.Errorf("choose a queued joiner: %w", err)
			}
		}
		e, err := event(identity.WorkerLeft, map[string]any{"employeeId": person, "immediate": true})
		if err != nil {
			return nil, err
		}
		sent := time.Now()
		receipt, err := p.service.Accept(ctx, p.org, lifecycle.Caller{Actor: "bench"}, e)
		if err != nil {
			return nil, err
		}
		if receipt.Effect != identity.EffectLeave {
			return nil, fmt.Errorf("a kill had the effect %s", receipt.Effect)
		}
		victims = append(victims, killed{receipt.Identity, queued, sent})
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticker.C:
		}
	}
	return victims, nil
}

// verdicts says of each person killed when tier 1 was done: the last of its operations verified, or, for somebody who
// had no account yet, the run that found nothing to take away. What a target cannot do (SCIM knows no sessions) is
// recorded as unsupported and has no time.
const verdicts = `select i.id, i.poked_at, min(o.requested_at), max(o.started_at),
		case when count(o.id) = 0 then case when i.settled_version >= i.version then i.settled_at end
		when count(o.id) filter (where o.status not in ('verified', 'confirmed', 'unsupported')) = 0 then max(o.verified_at) end
	from identities i left join operations o on o.org = i.org and o.identity_id = i.id and o.tier = 1 and o.status <> 'superseded'
	where i.org = $1 and i.id = any($2) group by i.id, i.poked_at, i.settled_version, i.version, i.settled_at`

type verdict struct {
	ID             uuid.UUID
	Delivered      *time.Time
	Planned, Begun *time.Time // nil: nothing to take away
	At             *time.Time
}

// collect waits until every kill is verified, and computes the times.
func (p *product) collect(ctx context.Context, victims []killed, r *killResults) error {
	ids := make([]uuid.UUID, len(victims))
	for i, v := range victims {
		ids[i] = v.id
	}
	byID := map[uuid.UUID]verdict{}
	err := await(ctx, killLimit, "tier 1 of everybody who was killed is verified", func() (bool, error) {
		found, err := p.db.admin.Query(ctx, verdicts, p.org, ids)
		if err != nil {
			return false, err
		}
		all, err := pgx.CollectRows(found, pgx.RowToStructByPos[verdict])
		if err != nil {
			return false, err
		}
		for _, v := range all {
			if v.At == nil {
				return false, nil
			}
			byID[v.ID] = v
		}
		return len(all) == len(ids), nil
	})
	if err != nil {
		return err
	}
	for _, v := range victims {
		r.add(v, byID[v.id])
	}
	for _, times := range append(r.legs[:], r.fresh, r.queued) {
		slices.Sort(times)
	}
	return nil
}

func (r *killResults) add(v killed, how verdict) {
	times := &r.fresh
	if v.queued {
		times = &r.queued
	}
	*times = append(*times, how.At.Sub(v.sent))
	if how.Planned == nil || how.Begun == nil || how.Delivered == nil {
		return
	}
	if v.queued {
		r.withAccounts++
	}
	for i, leg := range []time.Duration{how.Delivered.Sub(v.sent), how.Planned.Sub(v.sent), how.Begun.Sub(*how.Planned), how.At.Sub(*how.Begun)} {
		r.legs[i] = append(r.legs[i], leg)
	}
}
