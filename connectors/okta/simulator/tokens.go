package simulator

import (
	"cmp"
	"slices"
)

// refreshToken is one with its id.
type refreshToken struct {
	id string
	grant
}

// refreshTokens are those of the user that work, the oldest first.
func (s *Simulator) refreshTokens(u *user) []refreshToken {
	var out []refreshToken
	for id, g := range u.Tokens {
		if g.alive(s.now()) {
			out = append(out, refreshToken{id, g})
		}
	}
	slices.SortFunc(out, func(a, b refreshToken) int { return cmp.Compare(a.Seq, b.Seq) })
	return out
}

// listUserClients (User Resources API: List all clients) names the applications for which the user has grants or tokens; of
// grants nothing is simulated. It has no pages. Nothing is said of users who are deactivated, so they are as others.
func (s *Simulator) listUserClients(r *request) (answer, error) {
	u, err := s.store.findUser(r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	var clients []string
	for _, t := range s.refreshTokens(u) {
		clients = append(clients, t.Client)
	}
	slices.Sort(clients)
	out := []any{}
	for _, id := range slices.Compact(clients) {
		tokens := r.base + "/api/v1/users/" + u.ID + "/clients/" + id + "/tokens"
		out = append(out, map[string]any{
			"client_id": id, "client_name": "Application " + id, "client_uri": nil, "logo_uri": nil, "_links": map[string]any{"tokens": link(tokens)},
		})
	}
	return answer{body: out}, nil
}

// tokenPage is the most tokens that a page holds, and tokensUsual the default (User OAuth API: List all refresh tokens for a
// client, limit).
const (
	tokenPage   = 200
	tokensUsual = 20
)

// listRefreshTokens (User OAuth API: List all refresh tokens for a client). One that was revoked is listed until the revocation
// has taken effect. A client without tokens has an empty list.
func (s *Simulator) listRefreshTokens(r *request) (answer, error) {
	if err := notSimulated(r, "expand"); err != nil {
		return answer{}, err
	}
	u, err := s.store.findUser(r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	tokens, _ := where(s.refreshTokens(u), func(t refreshToken) (bool, error) { return t.Client == r.PathValue("clientId"), nil })
	return page(r, tokensUsual, tokenPage, tokens, func(t refreshToken) uint64 { return t.Seq }, func(t refreshToken) any {
		user := r.base + "/api/v1/users/" + u.ID
		return map[string]any{
			"id": t.id, "status": StatusActive, "clientId": t.Client, "userId": u.ID, "issuer": r.base, "scopes": []string{"offline_access", "openid"},
			"created": iso(t.Created), "lastUpdated": iso(t.Created), "expiresAt": iso(t.Created.AddDate(0, 3, 0)),
			"_links": map[string]any{"self": link(user + "/clients/" + t.Client + "/tokens/" + t.id), "user": link(user)},
		}
	})
}
