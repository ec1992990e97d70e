package main

import (
	"context"
	"fmt"
	"net/url"
	"runtime"
	"runtime/metrics"
	"slices"
	"time"

	"github.com/tenurehq/tenure/internal/scim"
	"github.com/tenurehq/tenure/internal/store"
)

// scimLookup are the times of one kind of filter at the database, by round.
type scimLookup struct {
	filter   func(n int64) string
	name     string
	p50, p99 []float64 // ms
}

func lookups() []*scimLookup {
	return []*scimLookup{
		{name: "userName eq", filter: scimUserFilter},
		{name: "externalId eq", filter: func(n int64) string { return `externalId eq "` + scimExternalID(n) + `"` }},
		{name: "emails.value eq", filter: func(n int64) string { return `emails.value eq "` + scimHomeAddress(n) + `"` }},
	}
}

// measureLookups times the store's query for one User, from the sending of it to the row read: one query at a time, each
// for another User.
func (d *directory) measureLookups(ctx context.Context, o options) ([]*scimLookup, error) {
	all := lookups()
	return all, takeTurns(o.rounds, len(all), func(round, i int) error {
		l := all[i]
		if _, err := rateOf(ctx, o.intake, 1, func(ctx context.Context) (int, error) { return 1, d.lookUp(ctx, l) }); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		times := d.client.times()
		step("round %d: %-16s at the database p50 %.2f ms, p99 %.2f ms", round, l.name, ms(percentile(times, 50)), ms(percentile(times, 99)))
		if round > 0 {
			l.p50, l.p99 = append(l.p50, ms(percentile(times, 50))), append(l.p99, ms(percentile(times, 99)))
		}
		return nil
	})
}

func (d *directory) lookUp(ctx context.Context, l *scimLookup) error {
	filter, err := scim.ParseFilter(scim.UserType(), l.filter(d.anyNumber(d.client.all[0])))
	if err != nil {
		return err
	}
	return d.client.with(func(*connection) error {
		page, err := d.service.Store().ScimUsers(ctx, d.org, store.ScimQuery{Filter: filter, Count: 100, Related: true})
		if err == nil && len(page.Resources) != 1 {
			err = fmt.Errorf("found %d Users", len(page.Resources))
		}
		return err
	})
}

// scimPages are what the listing of everybody came to, by round.
type scimPages struct {
	first, last []float64    // ms a page
	all         []float64    // seconds
	heap        [3][]float64 // MiB at most, in each third of the pages
}

const (
	samplePages = 20 // of the first page, and of the last ones
	pageSize    = 100
)

// measurePages lists everybody by cursor, on one connection.
func (d *directory) measurePages(ctx context.Context, o options) (scimPages, error) {
	var r scimPages
	err := takeTurns(o.rounds, 1, func(round, _ int) error {
		var first []time.Duration
		for range samplePages {
			took, _, err := d.page(nil)
			if err != nil {
				return err
			}
			first = append(first, took)
		}
		listing, err := d.listAll(ctx)
		if err != nil {
			return err
		}
		slices.Sort(first)
		last := slices.Sorted(slices.Values(listing.took[len(listing.took)-samplePages:]))
		step("round %d: first page %.1f ms, last pages %.1f ms, all in %.1f s, heap %.0f, %.0f and %.0f MiB", round, ms(percentile(first, 50)),
			ms(percentile(last, 50)), listing.all.Seconds(), listing.heap[0], listing.heap[1], listing.heap[2])
		if round == 0 {
			return nil
		}
		r.first, r.last = append(r.first, ms(percentile(first, 50))), append(r.last, ms(percentile(last, 50)))
		r.all = append(r.all, listing.all.Seconds())
		for i, most := range listing.heap {
			r.heap[i] = append(r.heap[i], most)
		}
		return nil
	})
	return r, err
}

// page reads one page, and answers the next one's cursor.
func (d *directory) page(cursor []byte) (took time.Duration, next []byte, err error) {
	on := d.client.all[0]
	began := time.Now()
	answer, err := on.get(fmt.Sprintf("/Users?count=%d&cursor=%s", pageSize, url.QueryEscape(string(cursor))), `"Resources":[{`)
	return time.Since(began), []byte(field(answer[:min(len(answer), 1<<10)], "nextCursor")), err
}

// listing is one listing of everybody.
type listing struct {
	took []time.Duration // by page
	all  time.Duration
	heap [3]float64 // MiB at most, in each third
}

func (d *directory) listAll(ctx context.Context) (listing, error) {
	var l listing
	var heap []uint64
	began := time.Now()
	runtime.GC()
	for cursor := []byte(nil); len(l.took) == 0 || len(cursor) > 0; {
		if err := ctx.Err(); err != nil {
			return l, err
		}
		took, next, err := d.page(cursor)
		if err != nil {
			return l, err
		}
		cursor, l.took, heap = next, append(l.took, took), append(heap, heapNow())
	}
	l.all = time.Since(began)
	if len(l.took) < len(d.users)/pageSize {
		return l, fmt.Errorf("a listing of %d Users ended after %d pages", len(d.users), len(l.took))
	}
	for i := range l.heap {
		l.heap[i] = float64(slices.Max(heap[i*len(heap)/3:(i+1)*len(heap)/3])) / (1 << 20)
	}
	return l, nil
}

// heapNow is how much of the heap objects take, garbage that has not been swept among them: of the server, and of this
// program besides.
func heapNow() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
