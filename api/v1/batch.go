package v1

import (
	"context"
	"encoding/json"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/tenurehq/tenure/api/access"
	"github.com/tenurehq/tenure/internal/identity"
)

const (
	maxBatch = 1000 // events in a batch
	// batchWidth is how many events of one organization's batches are taken at once, so that a burst of one leaves
	// connections to the others.
	batchWidth = 8
)

// batchLimits bounds, for each organization, the events of its batches that are taken at once.
type batchLimits struct {
	mu    sync.Mutex
	byOrg map[string]*semaphore.Weighted
}

func newBatchLimits() *batchLimits { return &batchLimits{byOrg: map[string]*semaphore.Weighted{}} }

func (l *batchLimits) of(org string) *semaphore.Weighted {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byOrg[org] == nil {
		l.byOrg[org] = semaphore.NewWeighted(batchWidth)
	}
	return l.byOrg[org]
}

// takeBatch takes every event that is good and says of each other what is wrong with it. The events of one person are
// taken in their order, those of different people side by side.
func (a *routes) takeBatch(ctx context.Context, body []byte) (EventsAnswer, error) {
	var raws []json.RawMessage
	if err := json.Unmarshal(body, &raws); err != nil || raws == nil {
		return EventsAnswer{}, identity.Errorf(identity.Invalid, "the batch is not a JSON array of events")
	}
	if len(raws) > maxBatch {
		return EventsAnswer{}, identity.Errorf(identity.TooLarge, "a batch may have at most %d events and this one has %d: send several", maxBatch, len(raws))
	}
	b := batch{routes: a, results: make([]batchItem, len(raws)), facts: make([]identity.Event, len(raws)), people: map[string][]int{}}
	for i, raw := range raws {
		b.read(ctx, i, raw)
	}
	b.take(ctx)
	return EventsAnswer{Results: b.results}, nil
}

// batch is a batch on its way in.
type batch struct {
	*routes
	results []batchItem
	facts   []identity.Event
	people  map[string][]int // the positions of each person's events, in order
}

func (b *batch) read(ctx context.Context, i int, raw []byte) {
	fact, err := structuredEvent(raw)
	if err != nil {
		b.results[i] = b.refuse(ctx, idOf(raw), err)
		return
	}
	b.facts[i] = fact
	b.people[fact.EmployeeID] = append(b.people[fact.EmployeeID], i)
}

func (b *batch) refuse(ctx context.Context, id string, err error) batchItem {
	return batchItem{EventResult: EventResult{EventID: id}, refusal: b.fail(ctx, err)}
}

// idOf is the id of an event that could not be read, if that much can be told.
func idOf(raw []byte) string {
	var named struct {
		ID any `json:"id"`
	}
	if len(raw) > maxEvent || json.Unmarshal(raw, &named) != nil {
		return ""
	}
	id, _ := named.ID.(string)
	if len(id) > maxName {
		return ""
	}
	return id
}

func (b *batch) take(ctx context.Context) {
	var group errgroup.Group
	group.SetLimit(batchWidth)
	limit := b.batches.of(access.Org(ctx))
	for _, positions := range b.people {
		group.Go(func() error {
			for _, i := range positions {
				b.takeAt(ctx, limit, i)
			}
			return nil
		})
	}
	_ = group.Wait() // each event's error stands in its result
}

func (b *batch) takeAt(ctx context.Context, limit *semaphore.Weighted, i int) {
	err := limit.Acquire(ctx, 1)
	if err == nil {
		defer limit.Release(1)
		b.results[i].EventResult, err = b.routes.take(ctx, b.facts[i])
	}
	if err != nil {
		b.results[i] = b.refuse(ctx, b.facts[i].ID, err)
	}
}
