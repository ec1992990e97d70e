package store

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/testkit"
)

// TestATokenIsKeptAsAHash: who reads the whole database, or a backup of it, finds nothing to log in with.
func TestATokenIsKeptAsAHash(t *testing.T) {
	t.Parallel()
	database := testkit.PostgresFrom(t, migrated)
	s, err := Open(t.Context(), Options{URL: database.Serve, MaxConns: 2, UrgentConns: 1})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	require.NoError(t, s.CreateOrganization(t.Context(), "acme", "Acme"))
	secret, token, err := s.CreateToken(t.Context(), "acme", "hr", []string{"read"}, time.Now().Add(time.Hour))
	require.NoError(t, err)
	_, err = s.Authenticate(t.Context(), secret, time.Now())
	require.NoError(t, err)

	rows, err := connect(t, database.Admin).Query(t.Context(), `select t::text from tokens t union all select a::text from audit a`)
	require.NoError(t, err)
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	kept := strings.Join(texts, "\n")
	require.Contains(t, kept, token.ID.String())
	require.Contains(t, kept, hex.EncodeToString(digest(secret)))
	body, found := strings.CutPrefix(secret, tokenPrefix)
	require.True(t, found)
	require.Len(t, body, 43, "256 random bits")
	random, err := base64.RawURLEncoding.DecodeString(body)
	require.NoError(t, err)
	require.NotContains(t, kept, hex.EncodeToString(random))
	for i := range len(body) - 7 {
		part := body[i : i+8]
		require.NotContains(t, kept, part)
		require.NotContains(t, kept, hex.EncodeToString([]byte(part)))
	}
}
