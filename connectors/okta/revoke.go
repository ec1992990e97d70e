package okta

import (
	"context"
	"errors"
	"time"

	"github.com/okta/okta-sdk-golang/v2/okta"

	"github.com/tenurehq/tenure/connectors"
)

// RevocationOrder is password, factors, sessions, access, grants. Access is a deactivation, after which Okta neither
// resets factors nor sets a password (User Lifecycle API: Reset the factors; User Factors API: Unenroll a factor), so
// these go before it. The password goes first: with the old one nobody can enrol a new factor, or begin a new session,
// in the moments that are left. Grants come last, since a deactivation ends the assignments to applications by itself.
func (c *Connector) RevocationOrder() []connectors.Revocation {
	return []connectors.Revocation{
		connectors.RevokePassword, connectors.RevokeFactors, connectors.RevokeSessions, connectors.RevokeAccess, connectors.RevokeGrants,
	}
}

// ResetPassword sets a random password that nobody is told. One who is deactivated has none, and Okta finds nobody to set
// it for. KindUnsupported for a user who signs in elsewhere, whose password is not Okta's.
func (c *Connector) ResetPassword(ctx context.Context, nativeID string) error {
	req := &call{action: "reset password", object: nativeID, secret: newPassword()}
	err := c.write(ctx, req, okta.User{Credentials: &okta.UserCredentials{Password: &okta.PasswordCredential{Value: req.secret}}})
	if e, ok := errors.AsType[*connectors.Error](err); ok && refusedBecause(err, codeCredentials) {
		e.Kind = connectors.KindUnsupported
	}
	if connectors.KindOf(err) == connectors.KindNotFound {
		return c.deactivatedOrGone(ctx, req)
	}
	return err
}

// PasswordReset reads back when the password was changed (passwordChanged, in whole seconds). A deactivated user has no
// password: an activation asks for a new one (Users API: User status).
func (c *Connector) PasswordReset(ctx context.Context, nativeID string, since time.Time) (bool, connectors.Evidence, error) {
	u, err := c.user(ctx, &call{action: "read whether password was reset", object: nativeID})
	if err != nil {
		return false, nil, err
	}
	evidence := statusEvidence(u)
	if u.PasswordChanged != nil {
		evidence["passwordChanged"] = *u.PasswordChanged
		if !u.PasswordChanged.Before(since.Truncate(time.Second)) {
			return true, evidence, nil
		}
	}
	return u.Status == deprovisioned, evidence, nil
}

// ResetFactors removes all factors in one request. Okta does so before a deactivation only; a deactivated user without
// factors is as good.
func (c *Connector) ResetFactors(ctx context.Context, nativeID string) error {
	req := &call{action: "reset factors", object: nativeID}
	if err := checkID(req, nativeID); err != nil {
		return err
	}
	err := req.do(ctx, emptyOK, func(ctx context.Context) error {
		_, err := c.client.User.ResetFactors(ctx, nativeID)
		return err
	})
	if !refusedBecause(err, codeStatus, codeValidation) {
		return err
	}
	left, errLeft := c.factors(ctx, req)
	switch {
	case errLeft != nil:
		return errLeft
	case len(left) == 0:
		return nil
	default:
		return req.fail(connectors.KindInvalid, errors.New("the user's status allows no reset of the factors: activate the user, reset them, deactivate again"))
	}
}

// FactorsReset counts the factors that are left, by type. Okta shows those that the user's policy allows (User Factors
// API: List all enrolled factors).
func (c *Connector) FactorsReset(ctx context.Context, nativeID string) (bool, connectors.Evidence, error) {
	req := &call{action: "read factors", object: nativeID}
	if err := checkID(req, nativeID); err != nil {
		return false, nil, err
	}
	left, err := c.factors(ctx, req)
	if err != nil {
		return false, nil, err
	}
	byType := map[string]int{}
	for _, f := range left {
		byType[f.FactorType]++
	}
	return len(left) == 0, connectors.Evidence{"nativeId": nativeID, "factors": len(left), "byType": byType}, nil
}

func (c *Connector) factors(ctx context.Context, req *call) ([]okta.UserFactor, error) {
	return all[okta.UserFactor](ctx, c, req, usersPath+"/"+req.object+"/factors")
}
