package entra

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/tenurehq/tenure/connectors"
)

// The kinds of entitlement. The setting entitlements says which of them Tenure grants, shows and revokes.
const (
	kindGroup   = "group"
	kindLicence = "licence"
	kindAppRole = "appRole"
)

// granting is what one kind of entitlement can do.
type granting struct {
	find func(ctx context.Context, name string) (connectors.Entitlement, error)
	// held reads what the account holds directly and Tenure can take away.
	held   func(ctx context.Context, nativeID string) ([]connectors.Entitlement, error)
	grant  func(nativeID, entitlementID string) (call, error)
	revoke func(ctx context.Context, nativeID, entitlementID string) error
}

func (c *Connector) kind(kind string) (granting, bool) {
	if !slices.Contains(c.settings.entitlements, kind) {
		return granting{}, false
	}
	switch kind {
	case kindGroup:
		return granting{c.findGroup, c.groupsOf, c.addMember, c.removeMember}, true
	case kindLicence:
		return granting{c.findLicence, c.licencesOf, c.addLicence, c.removeLicence}, true
	case kindAppRole:
		return granting{c.findAppRole, c.appRolesOf, c.assignAppRole, c.removeAppRole}, true
	}
	return granting{}, false
}

var errKind = errors.New("no such kind of entitlement, or not one of the setting entitlements")

// FindEntitlement resolves a group by its display name, a licence by its skuPartNumber, and an app role by the display name
// of the application, a slash and the role's value. Several of one name are a conflict. KindInvalid is a group whose
// members Graph cannot change.
func (c *Connector) FindEntitlement(ctx context.Context, kind, name string) (connectors.Entitlement, error) {
	g, ok := c.kind(kind)
	if !ok {
		return connectors.Entitlement{}, call{action: "find entitlement"}.fail(connectors.KindUnsupported, errKind)
	}
	return g.find(ctx, name)
}

// GrantsOf reads what the account holds directly, kind by kind. It leaves out what Tenure cannot take away: dynamic,
// synchronized and mail-enabled groups, directory roles, administrative units, and what comes through a group.
func (c *Connector) GrantsOf(ctx context.Context, nativeID string) ([]connectors.Entitlement, error) {
	return c.held(ctx, nativeID, func(string) bool { return true })
}

// held reads the entitlements of the kinds that are wanted.
func (c *Connector) held(ctx context.Context, nativeID string, wanted func(kind string) bool) ([]connectors.Entitlement, error) {
	grants := []connectors.Entitlement{}
	for _, kind := range c.settings.entitlements {
		if !wanted(kind) {
			continue
		}
		g, _ := c.kind(kind)
		held, err := g.held(ctx, nativeID)
		if err != nil {
			return nil, err
		}
		grants = append(grants, held...)
	}
	return grants, nil
}

// Grant gives the account the entitlement, in one request.
func (c *Connector) Grant(ctx context.Context, nativeID string, entitlement connectors.Entitlement) error {
	req, err := c.grantCall(nativeID, entitlement)
	if err != nil {
		return err
	}
	err = c.client.write(ctx, req)
	if errors.Is(err, errHeldAlready) {
		return nil
	}
	return c.explained(ctx, err)
}

func (c *Connector) grantCall(nativeID string, e connectors.Entitlement) (call, error) {
	g, ok := c.kind(e.Kind)
	if !ok {
		return call{}, call{action: "grant entitlement", object: e.NativeID}.fail(connectors.KindUnsupported, errKind)
	}
	return g.grant(nativeID, e.NativeID)
}

// Revoke takes the entitlement from the account. One that is gone, or not held, is what was asked for.
func (c *Connector) Revoke(ctx context.Context, nativeID string, entitlement connectors.Entitlement) error {
	g, ok := c.kind(entitlement.Kind)
	if !ok {
		return call{action: "revoke entitlement", object: entitlement.NativeID}.fail(connectors.KindUnsupported, errKind)
	}
	err := g.revoke(ctx, nativeID, entitlement.NativeID)
	if connectors.KindOf(err) == connectors.KindNotFound || errors.Is(err, errNotHeld) {
		return nil
	}
	return err
}

// one picks the entitlement that a name means. Names that differ only by case are one name to the directory; when several
// match, the one spelled exactly so is meant, and several of those are a conflict.
func one[T any](req call, found []T, name string, nameOf func(T) string) (T, error) {
	var none T
	var exact, folded []T
	for _, f := range found {
		switch shown := nameOf(f); {
		case shown == name:
			exact = append(exact, f)
		case strings.EqualFold(shown, name):
			folded = append(folded, f)
		}
	}
	if len(exact) == 0 {
		exact = folded
	}
	switch len(exact) {
	case 0:
		return none, req.fail(connectors.KindNotFound, errors.New("the target has nothing of that name"))
	case 1:
		return exact[0], nil
	default:
		return none, req.fail(connectors.KindConflict, errors.New("the target has several of that name: rename all but one"))
	}
}

// entitlementCall checks the ids of a grant and makes the call that both granting and revoking begin with.
func entitlementCall(action, method, template, nativeID, entitlementID string) (call, error) {
	req := call{action: action, object: entitlementID, method: method, template: template, ids: map[string]string{"user": nativeID}}
	for _, id := range []string{nativeID, entitlementID} {
		if err := checkID(id); err != nil {
			return call{}, req.fail(connectors.KindInvalid, err)
		}
	}
	return req, nil
}

// listing is a GET of what a user has.
func listing(action, nativeID, template, selected string) call {
	req := userCall(action, nativeID)
	req.template, req.query = template, map[string]string{"select": selected}
	return req
}
