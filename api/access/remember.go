package access

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/store"
)

const (
	// rememberFor is how long a token that was found is taken for good without looking again: what a revocation takes to
	// hold everywhere. A SCIM client sends thousands of requests in a cycle, and a look-up would double the cost of a read.
	rememberFor = time.Second
	// rememberMost bounds the tokens that are remembered.
	rememberMost = 10_000
)

// Memory authenticates as Authenticate does, and looks each token up once a second at most. It may be used by many
// goroutines.
type Memory struct {
	service *lifecycle.Service

	mu    sync.Mutex
	found map[[sha256.Size]byte]remembered
}

type remembered struct {
	token store.Token
	until time.Time
}

// NewMemory makes an empty Memory.
func NewMemory(service *lifecycle.Service) *Memory {
	return &Memory{service: service, found: map[[sha256.Size]byte]remembered{}}
}

// Authenticate is as the function of that name.
func (m *Memory) Authenticate(ctx context.Context, authorization string, needed Scope) error {
	secret, err := bearer(authorization)
	if err != nil {
		return err
	}
	key := sha256.Sum256([]byte(secret))
	if token, ok := m.recall(key); ok {
		return admit(ctx, token, needed)
	}
	token, err := m.find(ctx, secret)
	if err != nil {
		return err
	}
	m.mu.Lock()
	if len(m.found) >= rememberMost {
		clear(m.found)
	}
	m.found[key] = remembered{token, time.Now().Add(rememberFor)}
	m.mu.Unlock()
	return admit(ctx, token, needed)
}

func (m *Memory) recall(key [sha256.Size]byte) (store.Token, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.found[key]
	if !ok || time.Now().After(r.until) || !m.service.Now().Before(r.token.ExpiresAt) {
		return store.Token{}, false
	}
	return r.token, true
}
