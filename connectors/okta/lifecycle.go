package okta

import (
	"context"
	"errors"

	"github.com/okta/okta-sdk-golang/v2/okta"
	okquery "github.com/okta/okta-sdk-golang/v2/okta/query"

	"github.com/tenurehq/tenure/connectors"
)

// The statuses of a user (Users API: User status).
const (
	staged        = "STAGED"
	active        = "ACTIVE"
	suspended     = "SUSPENDED"
	deprovisioned = "DEPROVISIONED"
)

// enabled reports whether a user of the status can sign in, or can make it so alone.
func enabled(status string) bool {
	return status != staged && status != suspended && status != deprovisioned
}

// no is how the SDK takes a false.
var no = false

// SetEnabled changes the status by whichever operation leads there from what it is (User Lifecycle API):
//
//	enable   STAGED, DEPROVISIONED          activate, without sending mail
//	         SUSPENDED                      unsuspend
//	disable  ACTIVE                         suspend, which keeps groups and applications
//	         any other that can sign in     deactivate, since Okta suspends ACTIVE users only
//
// The last takes the assignments to applications away and may destroy what is kept there: it befalls a person who has
// not chosen a password yet, is locked out or must change it.
func (c *Connector) SetEnabled(ctx context.Context, nativeID string, enable bool) error {
	req := &call{action: "disable account", object: nativeID}
	if enable {
		req.action = "enable account"
	}
	u, err := c.user(ctx, req)
	if err != nil {
		return err
	}
	if next := u.TransitioningToStatus; next != "" {
		if enabled(next) == enable {
			return nil
		}
		return req.fail(connectors.KindUnavailable, errors.New("the user is on the way to the opposite status: try again"))
	}
	if enabled(u.Status) == enable {
		return nil
	}
	users := c.client.User
	switch {
	case enable && u.Status == suspended:
		return c.change(ctx, req, emptyOK, users.UnsuspendUser)
	case enable:
		return c.change(ctx, req, anObject, func(ctx context.Context, id string) (*okta.Response, error) {
			_, resp, err := users.ActivateUser(ctx, id, &okquery.Params{SendEmail: &no})
			return resp, err
		})
	case u.Status == active:
		return c.change(ctx, req, emptyOK, users.SuspendUser)
	default:
		return c.change(ctx, req, emptyOK, c.deactivate)
	}
}

func (c *Connector) deactivate(ctx context.Context, id string) (*okta.Response, error) {
	return c.client.User.DeactivateUser(ctx, id, nil)
}

// change makes one lifecycle request. These have no body, so that a refusal for the user's status says that the status is
// no longer what was read: that is worth another attempt.
func (c *Connector) change(ctx context.Context, req *call, want shape, operation func(context.Context, string) (*okta.Response, error)) error {
	err := req.do(ctx, want, func(ctx context.Context) error {
		_, err := operation(ctx, req.object)
		return err
	})
	if e, ok := errors.AsType[*connectors.Error](err); ok && refusedBecause(err, codeValidation, codeActive, codeStatus) {
		e.Kind = connectors.KindUnavailable
	}
	return err
}

// Deactivate makes the user DEPROVISIONED: out of every application, with what that may destroy there, and without a
// password. It writes without reading first: a leave has no time to lose. Okta answers 404 for one who is deactivated
// already (okta/okta-sdk-java#721), so that then the status tells.
func (c *Connector) Deactivate(ctx context.Context, nativeID string) error {
	req := &call{action: "deactivate account", object: nativeID}
	if err := checkID(req, nativeID); err != nil {
		return err
	}
	err := c.change(ctx, req, emptyOK, c.deactivate)
	if connectors.KindOf(err) != connectors.KindNotFound {
		return err
	}
	return c.deactivatedOrGone(ctx, req)
}

// deactivatedOrGone finds out what a 404 to a write stands for: nil when the user is deactivated, KindNotFound when there
// is none.
func (c *Connector) deactivatedOrGone(ctx context.Context, req *call) error {
	u, err := c.user(ctx, req)
	switch {
	case err != nil:
		return err
	case u.Status == deprovisioned:
		return nil
	default:
		return req.fail(connectors.KindUnavailable, errors.New("the user is there, and a moment ago was said not to be: try again"))
	}
}

// Deactivated reads back whether the status is DEPROVISIONED; while the change to it is under way it is not.
func (c *Connector) Deactivated(ctx context.Context, nativeID string) (bool, connectors.Evidence, error) {
	u, err := c.user(ctx, &call{action: "read whether account is deactivated", object: nativeID})
	if err != nil {
		return false, nil, err
	}
	return u.Status == deprovisioned, statusEvidence(u), nil
}

// statusEvidence says what the user's status is and since when.
func statusEvidence(u *okta.User) connectors.Evidence {
	e := connectors.Evidence{"nativeId": u.Id, "status": u.Status}
	if u.StatusChanged != nil {
		e["statusChanged"] = *u.StatusChanged
	}
	if u.TransitioningToStatus != "" {
		e["transitioningToStatus"] = u.TransitioningToStatus
	}
	return e
}
