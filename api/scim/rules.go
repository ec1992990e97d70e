package scim

import (
	"context"
	"sync"
	"time"

	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/scim"
)

// rulesFor is how long an organization's rules are used for reading without asking again. Writes ask in their transaction.
const rulesFor = time.Second

// rulesMemory remembers the organizations' rules, so that a read costs one round trip to the database.
type rulesMemory struct {
	service *lifecycle.Service

	mu    sync.Mutex
	byOrg map[string]rememberedRules
}

type rememberedRules struct {
	rules policy.Provisioning
	until time.Time
}

func newRulesMemory(service *lifecycle.Service) *rulesMemory {
	return &rulesMemory{service: service, byOrg: map[string]rememberedRules{}}
}

func (m *rulesMemory) of(ctx context.Context, org string) (policy.Provisioning, error) {
	m.mu.Lock()
	r, ok := m.byOrg[org]
	m.mu.Unlock()
	if ok && time.Now().Before(r.until) {
		return r.rules, nil
	}
	rules, err := m.service.DirectoryRules(ctx, org)
	if err != nil {
		return rules, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.byOrg[org] = rememberedRules{rules, time.Now().Add(rulesFor)}
	return rules, nil
}

// reading is what a body says by an organization's rules. It is read before the transaction, and anew in it only when the
// rules are others by then: a transaction holds locks, and is repeated at times.
type reading[T any] struct {
	read  func(policy.Provisioning) (T, error)
	rules policy.Provisioning
	value T
}

// readBefore reads a body by the rules that are remembered. What is wrong with it is for the transaction to say, which knows
// the rules in force.
func readBefore[T any](rules policy.Provisioning, read func(policy.Provisioning) (T, error)) *reading[T] {
	r := &reading[T]{read: read}
	if rules.Mode == policy.ModeSCIM {
		_, _ = r.by(rules)
	}
	return r
}

// by is what the body says by these rules.
func (r *reading[T]) by(rules policy.Provisioning) (T, error) {
	if sameRules(r.rules, rules) {
		return r.value, nil
	}
	value, err := r.read(rules)
	if err != nil {
		return value, err
	}
	r.rules, r.value = rules, value
	return value, nil
}

// sameRules says whether bodies mean the same by both.
func sameRules(a, b policy.Provisioning) bool {
	return a.RejectUnknown == b.RejectUnknown && sameType(a.Users, b.Users)
}

// sameType compares by identity: a compiled policy has one type of Users.
func sameType(a, b scim.ResourceType) bool {
	return len(a.Extensions) > 0 && len(b.Extensions) > 0 && &a.Extensions[0] == &b.Extensions[0]
}
