package worker

import (
	"math"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
)

const (
	// recently is how long an organization counts as having work after its last poke, and how far back its pokes are
	// counted.
	recently = 3 * time.Second
	// atWork is how long somebody who was handed in, and has not settled, has others yield.
	atWork = 2 * time.Second
	// few are so many that whoever was served no more than that beyond another was not served more.
	few = 4
)

// turns remembers what was handed to the engine of late, leaves apart, to divide it among the organizations. While the engine
// is full, one that was served clearly more is modest beside one that was served less: it has few places, and is handed
// nobody while the other has somebody in the engine. So an organization with few joiners is hardly delayed by another's
// import; two imports are served alike, and nobody starves, since who yields is soon served less than the other. While the
// engine is not full, people wait for their targets and not for each other, and nobody has to yield.
type turns struct {
	mu   sync.Mutex
	orgs map[string]*turn
}

type turn struct {
	delivering int
	last       time.Time
	served     []time.Time             // in the last while
	people     map[uuid.UUID]time.Time // handed in of late, and not settled
}

func (t *turns) claimed(pokes []store.Poke) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.orgs == nil {
		t.orgs = map[string]*turn{}
	}
	now := time.Now()
	for _, p := range pokes {
		each := t.orgs[p.Org]
		if each == nil {
			each = &turn{people: map[uuid.UUID]time.Time{}}
			t.orgs[p.Org] = each
		}
		each.delivering++
		each.last, each.served = now, append(each.served, now)
		each.people[p.Identity] = now
	}
}

// ended takes pokes that were delivered and noted, or given back.
func (t *turns) ended(pokes ...store.Poke) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range pokes {
		if each := t.orgs[p.Org]; each != nil && p.Class != identity.ClassLeave && each.delivering > 0 {
			each.delivering--
		}
	}
}

// settled takes somebody who is out of the engine.
func (t *turns) settled(org string, id uuid.UUID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if each := t.orgs[org]; each != nil {
		delete(each.people, id)
	}
}

// divide answers how many are being delivered of each organization that had one of late. While the engine is full it also
// says who has to be modest, or to yield: who was served clearly more than another.
func (t *turns) divide(full bool) store.Room {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	room := store.Room{Delivering: map[string]int{}}
	least, leastAtWork := math.MaxInt, math.MaxInt
	for org, each := range t.orgs {
		each.forget(now)
		if each.delivering == 0 && now.Sub(each.last) > recently {
			if len(each.people) == 0 {
				delete(t.orgs, org)
			}
			continue
		}
		room.Delivering[org] = each.delivering
		least = min(least, len(each.served))
		if each.works(now) {
			leastAtWork = min(leastAtWork, len(each.served))
		}
	}
	if !full {
		return room
	}
	for org, each := range t.orgs {
		if ahead(each, least) {
			room.Modest = append(room.Modest, org)
		}
		if ahead(each, leastAtWork) {
			room.Yield = append(room.Yield, org)
		}
	}
	return room
}

// ahead leaves two imports side by side alone while they are served about alike, and who has few joiners beside one that had to
// yield to them.
func ahead(t *turn, least int) bool { return len(t.served)*4/5-few > least }

func (t *turn) forget(now time.Time) {
	for len(t.served) > 0 && now.Sub(t.served[0]) > recently {
		t.served = t.served[1:]
	}
	for id, since := range t.people {
		if now.Sub(since) > store.InEngineFor {
			delete(t.people, id)
		}
	}
}

// works reports whether somebody was handed in just now.
func (t *turn) works(now time.Time) bool {
	for _, since := range t.people {
		if now.Sub(since) <= atWork {
			return true
		}
	}
	return false
}

// inEngine is how many people were handed in of late and have not settled.
func (t *turns) inEngine() (people int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for _, each := range t.orgs {
		each.forget(now)
		people += len(each.people)
	}
	return people
}
