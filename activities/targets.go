package activities

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
)

// targets keeps, for each organization's target, its connector, its share of concurrency, and how it has been doing.
type targets struct {
	registry connectors.Registry
	mu       sync.Mutex
	byKey    map[targetKey]*target
}

type targetKey struct{ org, name string }

func newTargets(registry connectors.Registry) *targets {
	return &targets{registry: registry, byKey: map[targetKey]*target{}}
}

// target is one system as this worker knows it.
type target struct {
	mu        sync.Mutex
	connector connectors.Connector
	from      [sha256.Size]byte // the digest of what the connector was made from
	version   int64             // of the policy that last was found to say so
	looked    time.Time         // when it was
	// bulk and urgent bound the attempts that run at once. A leave has a share of its own, so that a hanging target that
	// has filled the bulk share does not make it wait.
	bulk, urgent places
	// pacer keeps all requests within the target's limits, and outlives the connectors that make them.
	pacer        *connectors.Pacer
	entitlements map[string]resolved
	health       window
}

// resolved is what policy calls an entitlement, as the target knows it, and at which look at the settings it was found.
type resolved struct {
	connectors.Entitlement
	looked time.Time
}

func (t *targets) get(org, name string) *target {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := targetKey{org, name}
	if t.byKey[key] == nil {
		t.byKey[key] = &target{pacer: connectors.NewPacer(), entitlements: map[string]resolved{}}
	}
	return t.byKey[key]
}

// settingsAge is how long resolved settings are taken for current: then they are resolved again, since a secret may have
// been rotated.
const settingsAge = time.Minute

// connect answers the target's connector. It is kept for as long as what it was made from stays the same, with its
// connections, its access token and what it has learnt. One that is replaced needs no farewell: attempts that are under
// way go on with it, and its idle connections close by themselves.
func (t *targets) connect(at *target, p policy.Target, version int64, now time.Time) (connectors.Connector, error) {
	at.mu.Lock()
	defer at.mu.Unlock()
	if at.connector != nil && at.version == version && now.Sub(at.looked) < settingsAge {
		return at.connector, nil
	}
	settings, err := policy.ResolveSettings(p.Settings, os.LookupEnv, os.ReadFile)
	if err != nil {
		return nil, fmt.Errorf("settings of target %s: %w", p.Name, err)
	}
	from, err := digest(p.Connector, settings)
	if err != nil {
		return nil, fmt.Errorf("settings of target %s: %w", p.Name, err)
	}
	if at.connector == nil || at.from != from {
		connector, err := t.registry.New(p.Connector, settings)
		if err != nil {
			return nil, fmt.Errorf("settings of target %s: %w", p.Name, err)
		}
		at.connector, at.from = connector, from
		at.entitlements = map[string]resolved{} // the ids may be those of another system
	}
	at.pacer.SetRate(connectors.Limit{Requests: p.Rate.Requests, Per: p.Rate.Per})
	at.version, at.looked = version, now
	return at.connector, nil
}

// digest stands for all that a connector is made from, so that no secret is kept to compare with: the settings, and what
// stands in the files that they name by path, since a connector may read these when it is made.
func digest(connector string, settings map[string]any) (sum [sha256.Size]byte, err error) {
	files := map[string][]byte{}
	for name, value := range settings {
		if path, ok := value.(string); ok && policy.NamesFile(name) {
			files[name], _ = os.ReadFile(path) //nolint:gosec // the administrator's own setting; the connector says what is wrong with it
		}
	}
	whole, err := json.Marshal([]any{connector, settings, files})
	return sha256.Sum256(whole), err
}

// places are those for a leave, or for others.
func (t *target) places(urgent bool) *places {
	if urgent {
		return &t.urgent
	}
	return &t.bulk
}

// entitlement resolves what policy calls an entitlement, once for as long as the connector is kept and nothing speaks
// against what was found.
func (t *target) entitlement(ctx context.Context, granter connectors.EntitlementGranter, e policy.Entitlement) (connectors.Entitlement, error) {
	key := e.Kind + "/" + e.Name
	t.mu.Lock()
	known, ok := t.entitlements[key]
	t.mu.Unlock()
	if ok {
		return known.Entitlement, nil
	}
	found, err := granter.FindEntitlement(ctx, e.Kind, e.Name)
	if err == nil {
		t.mu.Lock()
		t.entitlements[key] = resolved{found, t.looked}
		t.mu.Unlock()
	}
	return found, err
}

// forget drops a resolved entitlement that the target no longer knows.
func (t *target) forget(e policy.Entitlement) {
	t.mu.Lock()
	delete(t.entitlements, e.Kind+"/"+e.Name)
	t.mu.Unlock()
}

// doubt drops what an attempt's failure speaks against: a name may have gone to another entitlement since it was resolved.
// Where the target misses an object it may be any of them, which were given with the account. Where a grant that was made
// is not shown it is that one; but it may only not be shown yet, so that once a settingsAge is enough.
func (t *target) doubt(kind connectors.Kind, action string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if kind == connectors.KindNotFound {
		clear(t.entitlements)
	}
	if key, ok := strings.CutPrefix(action, lifecycle.ActionGrant); ok && t.entitlements[key].looked.Before(t.looked) {
		delete(t.entitlements, key)
	}
}

// window judges a target's health by the ends of its latest attempts.
type window struct {
	mu          sync.Mutex
	results     [20]bool // true: failed
	next, n     int
	consecutive int
	since       time.Time // of the first of the consecutive failures
	judged      string
	judgedAt    time.Time
}

// The bounds of the judgement: so many failures in a row over at least that time mean down; that share of the window
// means degraded.
const (
	downAfter     = 5
	downOver      = 2 * time.Second
	degradedShare = 0.3
)

// note adds the end of an attempt and answers the health. shown is what the target's row said when the attempt began: a
// target that was down and is not any longer, by another worker's probe or a person's word, is judged anew.
func (w *window) note(failed bool, shown string, now time.Time) (health string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.judged == "down" && shown != "down" && now.Sub(w.judgedAt) > downOver {
		w.next, w.n, w.consecutive = 0, 0, 0
	}
	w.results[w.next], w.next = failed, (w.next+1)%len(w.results)
	w.n = min(w.n+1, len(w.results))
	switch {
	case !failed:
		w.consecutive = 0
	case w.consecutive == 0:
		w.consecutive, w.since = 1, now
	default:
		w.consecutive++
	}
	failures := 0
	for _, f := range w.results[:w.n] {
		if f {
			failures++
		}
	}
	switch {
	case w.consecutive >= downAfter && now.Sub(w.since) >= downOver:
		health = "down"
	case w.n == len(w.results) && float64(failures)/float64(w.n) >= degradedShare:
		health = "degraded"
	default:
		health = "up"
	}
	if health != w.judged {
		w.judged, w.judgedAt = health, now
	}
	return health
}

// reset forgets the past, when a probe has found the target well.
func (w *window) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next, w.n, w.consecutive, w.judged = 0, 0, 0, "up"
}
