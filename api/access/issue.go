package access

import (
	"context"
	"encoding/binary"
	"strings"
	"time"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
)

// An access token stands for a token for a while (RFC 6749, section 1.4). It is the token itself with a time of expiry,
// sealed with the organization's key: nothing has to be kept, every process can open it, it ends with its token, and who
// only reads the database can make none.

const (
	// AccessLifetime is how long an access token is good.
	AccessLifetime = time.Hour

	accessPrefix  = "tno_" // lets secret scanners recognize a leaked one
	accessPurpose = "access token"
)

// Issue makes an access token for the holder of a token with the scope. The error is Unauthorized or Forbidden.
func (m *Memory) Issue(ctx context.Context, clientID, clientSecret string, needed Scope) (string, error) {
	token, err := m.service.Store().Authenticate(ctx, clientSecret, m.service.Now())
	if err != nil {
		return "", err
	}
	if token.ID.String() != clientID {
		return "", identity.Errorf(identity.Unauthorized, "the client's id is not that of the token")
	}
	if err := admit(ctx, token, needed); err != nil {
		return "", err
	}
	text := binary.BigEndian.AppendUint64(nil, uint64(m.service.Now().Add(AccessLifetime).Unix())) //nolint:gosec // after 1970
	sealed, err := m.service.Store().Seal(ctx, token.Org, accessPurpose, append(text, clientSecret...))
	return accessPrefix + token.Org + "." + sealed, err
}

// find looks up a token, or the one that an access token stands for.
func (m *Memory) find(ctx context.Context, secret string) (store.Token, error) {
	wrapped, ok := strings.CutPrefix(secret, accessPrefix)
	if !ok {
		return m.service.Store().Authenticate(ctx, secret, m.service.Now())
	}
	org, sealed, _ := strings.Cut(wrapped, ".")
	text, err := m.service.Store().Open(ctx, org, accessPurpose, sealed)
	if err != nil {
		return store.Token{}, err
	}
	const head = 8
	if len(text) < head {
		return store.Token{}, identity.Errorf(identity.Unauthorized, "the bearer token is not valid")
	}
	expires := time.Unix(int64(binary.BigEndian.Uint64(text)), 0) //nolint:gosec // a time that Issue wrote
	if !m.service.Now().Before(expires) {
		return store.Token{}, identity.Errorf(identity.Unauthorized, "the access token has expired: ask for another")
	}
	token, err := m.service.Store().Authenticate(ctx, string(text[head:]), m.service.Now())
	if token.ExpiresAt.After(expires) {
		token.ExpiresAt = expires
	}
	return token, err
}
