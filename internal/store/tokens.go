package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tenurehq/tenure/internal/identity"
)

// Token is what is kept of an API token: never the token itself.
type Token struct {
	ID         uuid.UUID  `json:"id"`
	Org        string     `json:"organization"`
	Name       string     `json:"name"`
	Scopes     []string   `json:"scopes"`
	CreatedAt  time.Time  `json:"createdAt"`
	ExpiresAt  time.Time  `json:"expiresAt"`
	LastUsedAt *time.Time `json:"lastUsedAt,omitempty"`
	RevokedAt  *time.Time `json:"revokedAt,omitempty"`
}

// tokenPrefix lets secret scanners recognize a leaked token.
const tokenPrefix = "tnr_"

// digest is what stands for a token in the database. The token has 256 random bits, so a plain hash cannot be reversed;
// the look-up is by the hash, so its time tells nothing of any stored token.
func digest(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// CreateToken makes a token for the organization and answers it, once.
func (s *Store) CreateToken(ctx context.Context, org, name string, scopes []string, expires time.Time) (string, Token, error) {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	secret := tokenPrefix + base64.RawURLEncoding.EncodeToString(random)
	token := Token{ID: uuid.New(), Org: org, Name: name, Scopes: scopes, ExpiresAt: expires}
	err := s.InOrg(ctx, org, func(tx *Tx) error {
		if _, err := tx.Organization(ctx); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `insert into tokens (org, id, name, digest, scopes, expires_at) values ($1, $2, $3, $4, $5, $6) returning created_at`,
			org, token.ID, name, digest(secret), scopes, expires).Scan(&token.CreatedAt)
		if err != nil {
			return fmt.Errorf("create token: %w", err)
		}
		return tx.Audit(ctx, AuditEntry{Actor: s.actor, Action: "token.created", ObjectType: "token", ObjectID: token.ID.String(),
			Detail: map[string]any{"scopes": scopes}})
	})
	return secret, token, err
}

// Authenticate finds the token that a request carries. The answer is Unauthorized for every way of being wrong.
func (s *Store) Authenticate(ctx context.Context, secret string, now time.Time) (Token, error) {
	var t Token
	if !strings.HasPrefix(secret, tokenPrefix) || len(secret) > 100 {
		return t, identity.Errorf(identity.Unauthorized, "the bearer token is not valid")
	}
	err := s.engine.QueryRow(ctx, `select org, id, scopes, expires_at, last_used_at from tokens
		where digest = $1 and revoked_at is null and expires_at > $2`, digest(secret), now).
		Scan(&t.Org, &t.ID, &t.Scopes, &t.ExpiresAt, &t.LastUsedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return t, identity.Errorf(identity.Unauthorized, "the bearer token is not valid")
	}
	if err != nil {
		return t, fmt.Errorf("look up token: %w", err)
	}
	// To the minute is enough to see whether a token is in use, and saves a write a request.
	if t.LastUsedAt == nil || now.Sub(*t.LastUsedAt) > time.Minute {
		if _, err := s.engine.Exec(ctx, `update tokens set last_used_at = $2 where id = $1`, t.ID, now); err != nil {
			return t, fmt.Errorf("note token's use: %w", err)
		}
	}
	return t, nil
}

// Tokens lists the organization's tokens, newest first.
func (tx *Tx) Tokens(ctx context.Context) ([]Token, error) {
	rows, err := tx.Query(ctx, `select org, id, name, scopes, created_at, expires_at, last_used_at, revoked_at from tokens
		where org = $1 order by created_at desc`, tx.Org)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Token, error) {
		var t Token
		err := row.Scan(&t.Org, &t.ID, &t.Name, &t.Scopes, &t.CreatedAt, &t.ExpiresAt, &t.LastUsedAt, &t.RevokedAt)
		return t, err
	})
}

// RevokeToken ends a token now; NotFound when the organization has none of that id.
func (tx *Tx) RevokeToken(ctx context.Context, id uuid.UUID, actor string) error {
	tag, err := tx.Exec(ctx, `update tokens set revoked_at = coalesce(revoked_at, now()) where org = $1 and id = $2`, tx.Org, id)
	if err != nil {
		return fmt.Errorf("revoke token: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return identity.Errorf(identity.NotFound, "no token %s in organization %q", id, tx.Org)
	}
	return tx.Audit(ctx, AuditEntry{Actor: actor, Action: "token.revoked", ObjectType: "token", ObjectID: id.String()})
}
