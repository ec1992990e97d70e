package store

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tenurehq/tenure/internal/identity"
)

// Seal encrypts a text with the organization's key, for us to Open again: it can neither be read nor changed in between, and
// is good for this organization and this purpose only. NotFound when there is no such organization.
func (s *Store) Seal(ctx context.Context, org, purpose string, text []byte) (string, error) {
	key, err := s.sealKey(ctx, org)
	if err != nil {
		return "", err
	}
	aead, err := cursorCipher(key)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(text)+aead.Overhead())
	_, _ = rand.Read(nonce) // never fails
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, text, sealedFor(org, purpose))), nil
}

// Open decrypts what Seal made. Unauthorized for every way of being wrong.
func (s *Store) Open(ctx context.Context, org, purpose, sealed string) ([]byte, error) {
	invalid := identity.Errorf(identity.Unauthorized, "the bearer token is not valid")
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || !orgID.MatchString(org) {
		return nil, invalid
	}
	key, err := s.sealKey(ctx, org)
	if identity.ErrorCode(err) == identity.NotFound {
		return nil, invalid
	}
	if err != nil {
		return nil, err
	}
	aead, err := cursorCipher(key)
	if err != nil {
		return nil, err
	}
	if len(raw) < aead.NonceSize() {
		return nil, invalid
	}
	text, err := aead.Open(nil, raw[:aead.NonceSize()], raw[aead.NonceSize():], sealedFor(org, purpose))
	if err != nil {
		return nil, invalid
	}
	return text, nil
}

// sealedFor is what a sealed text is bound to. What cursors are bound to, whose key is the same, has no U+0000.
func sealedFor(org, purpose string) []byte { return []byte(purpose + "\x00" + org) }

func (s *Store) sealKey(ctx context.Context, org string) ([]byte, error) {
	var key []byte
	err := s.one(ctx, org, false, func(batch *pgx.Batch) {
		batch.Queue(`select cursor_key from organizations where id = $1`, org)
	}, func(results pgx.BatchResults) error { return results.QueryRow().Scan(&key) })
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, identity.Errorf(identity.NotFound, "no organization %q", org)
	}
	if err != nil {
		return nil, fmt.Errorf("read key of organization: %w", err)
	}
	return key, nil
}
