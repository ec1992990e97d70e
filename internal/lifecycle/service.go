// Package lifecycle holds the transactions of the domain: accepting a fact about a person, planning what follows from
// it, recording how the work went, applying a policy, resolving a case, recovering from a restored database. It stands
// between the pure rules (internal/identity, internal/policy) and the rows (internal/store). It knows nothing of HTTP,
// of Temporal's machinery, or of any target.
package lifecycle

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
)

// Service runs the domain's transactions. Its methods may be called from many goroutines.
type Service struct {
	store *store.Store
	now   func() time.Time
	woken func()

	mu       sync.Mutex
	policies map[policyKey]*policy.Policy
}

type policyKey struct {
	org     string
	version int64
}

// Options configure a Service.
type Options struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Woken is called after a commit that left something in the outbox. It must not block; nil does nothing.
	Woken func()
}

// New makes a Service on a Store.
func New(s *store.Store, options Options) *Service {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Woken == nil {
		options.Woken = func() {}
	}
	return &Service{store: s, now: options.Now, woken: options.Woken, policies: map[policyKey]*policy.Policy{}}
}

// Store gives the rows to those who only read.
func (s *Service) Store() *store.Store { return s.store }

// Now is the service's clock.
func (s *Service) Now() time.Time { return s.now() }

// noPolicy is what holds before the first policy is applied: it gives nobody anything.
func noPolicy(org string) (*policy.Policy, error) {
	return policy.Parse(policy.File{Name: "none", Data: []byte("organization: " + org + "\n")})
}

// policyIn answers the policy of the transaction's organization at a version. Versions never change, so they are kept
// compiled; old ones are dropped when a newer one is compiled.
func (s *Service) policyIn(ctx context.Context, tx *store.Tx, version int64) (*policy.Policy, error) {
	key := policyKey{tx.Org, version}
	s.mu.Lock()
	compiled, ok := s.policies[key]
	s.mu.Unlock()
	if ok {
		return compiled, nil
	}
	row, err := tx.Policy(ctx, version)
	if err != nil {
		return nil, err
	}
	if row == nil {
		compiled, err = noPolicy(tx.Org)
	} else {
		compiled, err = policy.Load(row.Document)
	}
	if err != nil {
		return nil, fmt.Errorf("load policy %d of %q: %w", version, tx.Org, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.policies {
		if k.org == tx.Org && k.version < version {
			delete(s.policies, k)
		}
	}
	s.policies[key] = compiled
	return compiled, nil
}

// PolicyInForce answers the organization's compiled policy and its version; version 0 is no policy.
func (s *Service) PolicyInForce(ctx context.Context, org string) (*policy.Policy, int64, error) {
	var compiled *policy.Policy
	var version int64
	err := s.store.InOrg(ctx, org, func(tx *store.Tx) error {
		o, err := tx.Organization(ctx)
		if err != nil {
			return err
		}
		version = o.PolicyVersion
		compiled, err = s.policyIn(ctx, tx, version)
		return err
	})
	return compiled, version, err
}
