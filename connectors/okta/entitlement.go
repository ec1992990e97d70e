package okta

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/tenurehq/tenure/connectors"
)

// The kinds of entitlement.
const (
	kindGroup       = "group"
	kindApplication = "application"
)

// FindEntitlement resolves a group by its name or an application by its label. Names that differ by case only are one name
// to Okta's search; when several match, the one spelled exactly so is meant, and several of those are a conflict. A new
// group is found after a while only, since the search lags behind. A group that is not of type OKTA_GROUP is KindInvalid:
// only applications, or Okta itself, change its members (Groups API: Assign a user to a group).
func (c *Connector) FindEntitlement(ctx context.Context, kind, name string) (connectors.Entitlement, error) {
	req := &call{action: "find " + kind}
	switch {
	case !slices.Contains(c.kinds, kind):
		req.action = "find entitlement"
		return connectors.Entitlement{}, unknownKind(req)
	case kind == kindGroup:
		return c.findGroup(ctx, req, name)
	default:
		return c.findApplication(ctx, req, name)
	}
}

// GrantsOf reads the groups of type OKTA_GROUP that the user is in, and the applications that the user is assigned to
// directly: those that come by a group are not the user's own, and go with the group. What is not of a kind in the setting
// entitlements is not read: the list of applications is what Okta limits most.
func (c *Connector) GrantsOf(ctx context.Context, nativeID string) ([]connectors.Entitlement, error) {
	req := &call{action: "read grants of account", object: nativeID}
	if err := checkID(req, nativeID); err != nil {
		return nil, err
	}
	grants := []connectors.Entitlement{}
	readers := map[string]func(context.Context, *call) ([]connectors.Entitlement, error){kindGroup: c.groupsOf, kindApplication: c.applicationsOf}
	for _, kind := range c.kinds {
		some, err := readers[kind](ctx, req)
		if err != nil {
			return nil, err
		}
		grants = append(grants, some...)
	}
	return grants, nil
}

// Grant puts the user into the group, or assigns the user to the application. KindInvalid for a group whose members Okta
// does not let anyone change.
func (c *Connector) Grant(ctx context.Context, nativeID string, entitlement connectors.Entitlement) error {
	req, err := c.grantCall("grant", nativeID, entitlement)
	if err != nil {
		return err
	}
	if entitlement.Kind == kindApplication {
		return c.assign(ctx, req, nativeID)
	}
	return c.setMember(ctx, req, nativeID, c.client.Group.AddUserToGroup)
}

// Revoke takes the user out of the group, or ends the direct assignment to the application, which may destroy the
// person's data there (Application Users API: Unassign an application user).
func (c *Connector) Revoke(ctx context.Context, nativeID string, entitlement connectors.Entitlement) error {
	req, err := c.grantCall("revoke", nativeID, entitlement)
	if err != nil {
		return err
	}
	if entitlement.Kind == kindApplication {
		err = c.unassign(ctx, req, nativeID)
	} else {
		err = c.setMember(ctx, req, nativeID, c.client.Group.RemoveUserFromGroup)
	}
	if connectors.KindOf(err) == connectors.KindNotFound {
		return nil
	}
	return err
}

// grantCall is a change of one grant; the errors name the entitlement.
func (c *Connector) grantCall(action, nativeID string, e connectors.Entitlement) (*call, error) {
	req := &call{action: action + " " + e.Kind, object: e.NativeID}
	if !slices.Contains(c.kinds, e.Kind) {
		req.action = action + " entitlement"
		return nil, unknownKind(req)
	}
	return req, checkID(req, nativeID, e.NativeID)
}

var errKind = errors.New("no such kind of entitlement, or not one of the setting entitlements")

func unknownKind(req *call) error {
	return req.fail(connectors.KindUnsupported, errKind)
}

// choose picks the one that is named so among those that a look-up found.
func choose[T any](req *call, found []T, name string, nameOf func(T) string) (T, error) {
	var exact, folded []T
	for _, one := range found {
		switch {
		case nameOf(one) == name:
			exact = append(exact, one)
		case strings.EqualFold(nameOf(one), name):
			folded = append(folded, one)
		}
	}
	if len(exact) == 0 {
		exact = folded
	}
	var none T
	switch len(exact) {
	case 0:
		return none, req.fail(connectors.KindNotFound, errors.New("the org has none of that name"))
	case 1:
		return exact[0], nil
	default:
		return none, req.fail(connectors.KindConflict, errors.New("the org has several of that name"))
	}
}
