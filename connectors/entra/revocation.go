package entra

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/tenurehq/tenure/connectors"
)

// EndSessions revokes the user's refresh tokens and browser sessions (graph/api/user-revokesigninsessions). It takes
// effect within minutes: SessionsEnded tells when. The page warns of a status other than 200, which is 204 then.
func (c *Connector) EndSessions(ctx context.Context, nativeID string) error {
	req := userCall("end sessions", nativeID)
	req.method, req.template, req.accept = http.MethodPost, "/users/{user}/revokeSignInSessions", []int{http.StatusOK, http.StatusNoContent}
	ans, err := c.client.do(ctx, req)
	if err != nil || ans.status == http.StatusNoContent {
		return err
	}
	var done struct{ Value *bool }
	if json.Unmarshal(ans.body, &done) != nil || done.Value == nil || !*done.Value {
		return req.rubbish(ans.status, errors.New("the answer does not say that the sessions were revoked"))
	}
	return nil
}

// SessionsEnded reads signInSessionsValidFromDateTime once: tokens issued before it are refused. The vendor's times are
// whole seconds of its own clock, so that the given time counts from the start of its second, and this machine's clock
// must be right to within a second.
func (c *Connector) SessionsEnded(ctx context.Context, nativeID string, before time.Time) (bool, connectors.Evidence, error) {
	return c.reached(ctx, userCall("read sessions", nativeID), "signInSessionsValidFromDateTime", before)
}

// ResetPassword replaces the password (graph/api/user-update, passwordProfile). The application needs a role that may do
// that for the user; nobody is told the new password, and a guest has none.
func (c *Connector) ResetPassword(ctx context.Context, nativeID string) error {
	return c.patch(ctx, "reset password", nativeID, map[string]any{"passwordProfile": passwordProfile()})
}

// PasswordReset reads lastPasswordChangeDateTime once, with the same care for clocks as SessionsEnded.
func (c *Connector) PasswordReset(ctx context.Context, nativeID string, since time.Time) (bool, connectors.Evidence, error) {
	return c.reached(ctx, userCall("read password age", nativeID), "lastPasswordChangeDateTime", since)
}

// reached reads whether a time of the user's is not before the given one.
func (c *Connector) reached(ctx context.Context, req call, property string, since time.Time) (bool, connectors.Evidence, error) {
	req.query = map[string]string{"select": "id," + property}
	user, err := c.client.get(ctx, req)
	if err != nil {
		return false, nil, err
	}
	shown := user.text(property)
	evidence := connectors.Evidence{property: shown}
	if shown == "" {
		return false, evidence, nil
	}
	at, err := time.Parse(time.RFC3339, shown)
	if err != nil {
		return false, nil, req.rubbish(http.StatusOK, errors.New(property+" is not a time"))
	}
	return !at.Before(since.Truncate(time.Second)), evidence, nil
}
