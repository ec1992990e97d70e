package worker

import (
	"sync"
	"time"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
)

// recently is how long after its last poke an organization counts as having work.
const recently = 3 * time.Second

// turns counts the pokes of each organization that are being delivered, leaves apart. It remembers who had one of late: an
// organization whose few joiners pass one by one has its part of the engine, also in the moments when there is none.
type turns struct {
	mu   sync.Mutex
	orgs map[string]turn
}

type turn struct {
	delivering int
	last       time.Time
}

func (t *turns) claimed(pokes []store.Poke) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.orgs == nil {
		t.orgs = map[string]turn{}
	}
	for _, p := range pokes {
		t.orgs[p.Org] = turn{t.orgs[p.Org].delivering + 1, time.Now()}
	}
}

// ended takes pokes that were delivered and noted, or given back.
func (t *turns) ended(pokes ...store.Poke) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range pokes {
		if each := t.orgs[p.Org]; p.Class != identity.ClassLeave && each.delivering > 0 {
			t.orgs[p.Org] = turn{each.delivering - 1, each.last}
		}
	}
}

// counts answers how many are being delivered of each organization that had one of late.
func (t *turns) counts() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := map[string]int{}
	for org, each := range t.orgs {
		if each.delivering == 0 && time.Since(each.last) > recently {
			delete(t.orgs, org)
			continue
		}
		counts[org] = each.delivering
	}
	return counts
}
