package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// scimRate is what one kind of request, or a baseline, came to, by round.
type scimRate struct {
	name     string
	baseline *scimRate // nil: it is one
	each     func(ctx context.Context, on *connection) error

	rates    []float64 // a second
	p50, p99 []float64 // ms
}

// measureRates has 16 connections send requests of one kind, or do what the baseline does, and then of the next.
func (d *directory) measureRates(ctx context.Context, o options) ([]*scimRate, error) {
	reads, err := d.openBareReads(ctx)
	if err != nil {
		return nil, err
	}
	defer reads.Close()
	writes, err := openBare(ctx, d.db)
	if err != nil {
		return nil, err
	}
	defer writes.Close()
	if err := d.service.Store().CreateOrganization(ctx, bareOrg, bareOrg); err != nil {
		return nil, err
	}
	all := d.contenders(reads, writes)
	return all, takeTurns(o.rounds, len(all), func(round, i int) error {
		c := all[i]
		var rate float64
		err := c.profiled(o, round, func() (err error) {
			rate, err = rateOf(ctx, o.intake, writers, func(ctx context.Context) (int, error) {
				return 1, d.client.with(func(on *connection) error { return c.each(ctx, on) })
			})
			return err
		})
		times := d.client.times()
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		step("round %d: %-28s %6.0f/s, p50 %5.1f ms, p99 %5.1f ms", round, c.name, rate, ms(percentile(times, 50)), ms(percentile(times, 99)))
		if round > 0 {
			c.rates, c.p50, c.p99 = append(c.rates, rate), append(c.p50, ms(percentile(times, 50))), append(c.p99, ms(percentile(times, 99)))
		}
		return nil
	})
}

// profiled runs fn, and in the last round of a kind of request under the profiler, if a profile is asked for.
func (c *scimRate) profiled(o options, round int, fn func() error) error {
	if o.profile == "" || round < o.rounds || c.baseline == nil {
		return fn()
	}
	file, err := os.Create(o.profile + "-" + strings.ReplaceAll(c.name, " ", "-")) //nolint:gosec // the file that the command line names
	if err != nil {
		return err
	}
	defer file.Close()
	return profiled(file, fn)
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

// contenders are all that is measured: each baseline before what is held against it.
func (d *directory) contenders(reads, writes *pgxpool.Pool) []*scimRate {
	byID := &scimRate{name: "bare query by id", each: func(ctx context.Context, on *connection) error {
		return bareRead(ctx, reads, bareByID, d.org, d.anyone(on))
	}}
	byName := &scimRate{name: "bare query by userName", each: func(ctx context.Context, on *connection) error {
		return bareRead(ctx, reads, bareByName, d.org, scimUserName(d.anyNumber(on)))
	}}
	page := &scimRate{name: "bare query of 100", each: func(ctx context.Context, _ *connection) error {
		return bareRead(ctx, reads, barePage, d.org)
	}}
	transaction := &scimRate{name: "bare transaction", each: func(ctx context.Context, _ *connection) error { return bareIntake(ctx, writes) }}
	var posted atomic.Int64
	posted.Store(int64(len(d.users)))
	return []*scimRate{
		byID, {name: "GET by id", baseline: byID, each: func(_ context.Context, on *connection) error {
			id := d.anyone(on).String()
			_, err := on.get("/Users/"+id, id)
			return err
		}},
		byName, {name: "userName eq", baseline: byName, each: func(_ context.Context, on *connection) error {
			_, err := on.get(scimSearch(scimUserFilter(d.anyNumber(on))), `"totalResults":1,`)
			return err
		}},
		page, {name: "list of 100", baseline: page, each: func(_ context.Context, on *connection) error {
			_, err := on.get("/Users?count=100", `"itemsPerPage":100,`)
			return err
		}},
		transaction, {name: "POST", baseline: transaction, each: func(_ context.Context, on *connection) error {
			_, err := on.call(http.MethodPost, "/Users", scimUser(posted.Add(1)), http.StatusCreated, "")
			return err
		}},
		{name: "PATCH active", baseline: transaction, each: func(_ context.Context, on *connection) error { return d.toggle(on) }},
		{name: "PATCH of a Group", baseline: transaction, each: func(_ context.Context, on *connection) error {
			team := d.teams[on.rand.IntN(len(d.teams))].String()
			return on.patch("/Groups/"+team, addMember(d.anyone(on)), team)
		}},
	}
}

// anyNumber is that of one of the Users, and anyone the id of one.
func (d *directory) anyNumber(on *connection) int64  { return 1 + on.rand.Int64N(int64(len(d.users))) }
func (d *directory) anyone(on *connection) uuid.UUID { return d.users[on.rand.IntN(len(d.users))] }

// toggle sets a User to inactive, and the next time to active: a leave, and the return from it. Each connection has Users
// of its own.
func (d *directory) toggle(on *connection) error {
	id := d.users[(on.toggled/2*writers+on.number)%len(d.users)].String()
	active := on.toggled%2 == 1
	on.toggled++
	return on.patch("/Users/"+id, fmt.Sprintf(`{"op":"replace","path":"active","value":%t}`, active), fmt.Sprintf(`"active":%t`, active))
}

func addMember(id uuid.UUID) string {
	return `{"op":"add","path":"members","value":[{"value":"` + id.String() + `"}]}`
}

// openBareReads opens connections that no row level security binds.
func (d *directory) openBareReads(ctx context.Context) (*pgxpool.Pool, error) {
	config := d.db.admin.Config()
	config.MaxConns = writers
	return pgxpool.NewWithConfig(ctx, config)
}

// The bare queries read, by the same indexes, what the product's do of the rows of Users, and nothing else.
const (
	bareColumns = `select id, identity_id, source, resource, version, created_at, modified_at, deleted_at from scim_users where org = $1 and deleted_at is null `
	bareByID    = bareColumns + `and id = $2`
	bareByName  = bareColumns + `and user_name_key = $2`
	barePage    = bareColumns + `order by created_at, id limit 100`
)

func bareRead(ctx context.Context, pool *pgxpool.Pool, sql string, args ...any) error {
	rows, err := pool.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	var id, identity *uuid.UUID
	var source string
	var resource []byte
	var version int64
	var created, modified, deleted *time.Time
	tag, err := pgx.ForEachRow(rows, []any{&id, &identity, &source, &resource, &version, &created, &modified, &deleted}, func() error { return nil })
	if err == nil && tag.RowsAffected() == 0 {
		err = errors.New("the bare query found nobody")
	}
	return err
}
