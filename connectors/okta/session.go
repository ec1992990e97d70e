package okta

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/okta/okta-sdk-golang/v2/okta"
	okquery "github.com/okta/okta-sdk-golang/v2/okta/query"

	"github.com/tenurehq/tenure/connectors"
)

// EndSessions ends the person's sessions with Okta and revokes the OAuth tokens, which Okta leaves alone unless asked to
// (User Sessions API: Revoke all user sessions: "oauthTokens"). Sessions that applications keep on their own go on.
func (c *Connector) EndSessions(ctx context.Context, nativeID string) error {
	req := &call{action: "end sessions", object: nativeID}
	if err := checkID(req, nativeID); err != nil {
		return err
	}
	yes := true
	err := req.do(ctx, noContent, func(ctx context.Context) error {
		_, err := c.client.User.ClearUserSessions(ctx, nativeID, &okquery.Params{OauthTokens: &yes})
		return err
	})
	if err == nil {
		c.ended.note(nativeID, req.date)
	}
	return err
}

// SessionsEnded asks Okta for what it can show of them, the refresh tokens, and is false while one is left: a change of status
// revokes none, as far as Okta's pages say. Okta's API lists neither sessions nor access tokens. These rest on the request
// of EndSessions that Okta accepted at or after the time, which the evidence names. A connector that knows of none, since
// another made it, goes by the refresh tokens, and by the status for the sessions: what ends with SUSPENDED and
// DEPROVISIONED is the sessions (docs/concepts/role-assignment: okta.users.lifecycle.suspend; help.okta.com, Deactivate and
// delete user accounts). The status alone proves nothing, but for one who was never activated.
func (c *Connector) SessionsEnded(ctx context.Context, nativeID string, before time.Time) (bool, connectors.Evidence, error) {
	req := &call{action: "read whether sessions ended", object: nativeID}
	u, err := c.user(ctx, req)
	if err != nil {
		return false, nil, err
	}
	evidence := statusEvidence(u)
	at, accepted := c.ended.at(nativeID)
	accepted = accepted && at.Add(time.Second).After(before) // the answer's Date is cut to the second
	switch {
	case accepted:
		evidence["accepted"] = "204 to DELETE /api/v1/users/{id}/sessions?oauthTokens=true: sessions and OAuth tokens"
		evidence["acceptedAt"] = at
	case u.Status == staged && u.Activated == nil:
		evidence["sessions"] = "none: the user was never activated"
		return true, evidence, nil
	case enabled(u.Status):
		evidence["sessions"] = "Okta lists none, and the status allows to sign in"
		return false, evidence, nil
	default:
		evidence["sessions"] = "Okta lists none, and ends them with the change to this status"
	}
	left, err := c.refreshTokens(ctx, req)
	if refusal, ok := unlistable(err); ok {
		evidence["refreshTokens"] = fmt.Sprintf("not listed: Okta answered %d", refusal.Status)
		return accepted, evidence, nil
	}
	if err != nil {
		return false, nil, err
	}
	evidence["refreshTokens"] = left
	return left == 0, evidence, nil
}

// unlistable reports whether Okta does not show the refresh tokens at all: the role lacks the right, which no page of Okta's
// names, or they are not shown of this user. An access token that has ended (401) is an error like another.
func unlistable(err error) (*connectors.Error, bool) {
	e, ok := errors.AsType[*connectors.Error](err)
	if !ok {
		return nil, false
	}
	switch e.Kind {
	case connectors.KindNotFound, connectors.KindUnsupported:
		return e, true
	default:
		return e, e.Status == http.StatusForbidden
	}
}

// refreshTokens counts the refresh tokens that work of the first application that has any (User Resources API: List all
// clients, "for which the specified user has grants or tokens"; User OAuth API: List all refresh tokens for a client).
func (c *Connector) refreshTokens(ctx context.Context, req *call) (int, error) {
	clientsPath := usersPath + "/" + req.object + "/clients"
	clients, err := all[okta.OAuth2Client](ctx, c, req, clientsPath)
	if err != nil {
		return 0, err
	}
	for _, client := range clients {
		if client.ClientId == "" || client.ClientId == "." || client.ClientId == ".." {
			return 0, req.rubbish(http.StatusOK, errors.New("the answer holds what is not a client"))
		}
		tokens, err := all[okta.OAuth2RefreshToken](ctx, c, req, clientsPath+"/"+url.PathEscape(client.ClientId)+"/tokens?limit=200")
		if err != nil {
			return 0, err
		}
		n := 0
		for _, t := range tokens {
			if t.Id == "" {
				return 0, req.rubbish(http.StatusOK, errors.New("the answer holds what is not a token"))
			}
			if t.Status != revoked {
				n++
			}
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, nil
}

// revoked is the status of a refresh token that does not work any more.
const revoked = "REVOKED"

// maxEndings is how many of the latest endings are remembered at least.
const maxEndings = 10_000

// endings remembers when Okta accepted that a user's sessions and tokens be ended, by Okta's clock: the latest, and those
// before them until there are many again. What is forgotten is asked for again: EndSessions may be repeated.
type endings struct {
	mu             sync.Mutex
	latest, before map[string]time.Time
}

func (e *endings) note(id string, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.latest == nil || len(e.latest) >= maxEndings {
		e.latest, e.before = make(map[string]time.Time), e.latest
	}
	e.latest[id] = at
}

func (e *endings) at(id string) (time.Time, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at, ok := e.latest[id]
	if !ok {
		at, ok = e.before[id]
	}
	return at, ok
}
