package scim

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/connectors"
)

// kindGroup is the only kind of entitlement that SCIM knows.
const kindGroup = "group"

var errKind = errors.New("SCIM has entitlements of kind group only")

// withoutMembers keeps the members of large groups off the wire.
const withoutMembers = "members"

// FindEntitlement resolves a group by its display name. Names that differ only by case are one name to SCIM (RFC 7643
// §4.2); when several groups match, the one spelled exactly so is meant, and several of those are a conflict.
func (c *Connector) FindEntitlement(ctx context.Context, kind, name string) (connectors.Entitlement, error) {
	req := call{action: "find group", method: http.MethodGet}
	if kind != kindGroup {
		return connectors.Entitlement{}, req.fail(connectors.KindUnsupported, errKind)
	}
	groups, err := c.groups(ctx, req, "displayName eq "+quote(name))
	if err != nil {
		return connectors.Entitlement{}, err
	}
	var exact, folded []connectors.Entitlement
	for _, g := range groups {
		switch {
		case g.Name == name:
			exact = append(exact, g)
		case strings.EqualFold(g.Name, name):
			folded = append(folded, g)
		}
	}
	if len(exact) == 0 {
		exact = folded
	}
	switch len(exact) {
	case 0:
		return connectors.Entitlement{}, req.fail(connectors.KindNotFound, errors.New("the target has no group of that name"))
	case 1:
		return exact[0], nil
	default:
		return connectors.Entitlement{}, req.fail(connectors.KindConflict, errors.New("the target has several groups of that name"))
	}
}

// GrantsOf reads the groups of a user: by a filter on the groups' members where the target has that, else from the
// user's own "groups" (RFC 7643 §4.1.2), leaving out those it is only indirectly in, which nobody can revoke from it.
// Where the target shows neither the error is KindUnsupported: no answer must not look like no groups.
func (c *Connector) GrantsOf(ctx context.Context, nativeID string) ([]connectors.Entitlement, error) {
	req := call{action: "read groups of account", object: nativeID, method: http.MethodGet}
	filters, err := c.canFilterMembers(ctx, req)
	if err != nil {
		return nil, err
	}
	if filters {
		return c.groups(ctx, req, "members.value eq "+quote(nativeID))
	}
	user, _, err := c.read(ctx, req.action, nativeID)
	if err != nil {
		return nil, err
	}
	listed, ok := user["groups"].([]any)
	if !ok {
		return nil, req.fail(connectors.KindUnsupported, errors.New("the target neither filters groups by member nor lists a user's groups"))
	}
	grants := []connectors.Entitlement{}
	for _, item := range listed {
		g, _ := item.(map[string]any)
		id, _ := g["value"].(string)
		name, _ := g["display"].(string)
		if id == "" {
			return nil, req.rubbish(http.StatusOK, errors.New("a group of the user has no value"))
		}
		if kind, _ := g["type"].(string); !strings.EqualFold(kind, "indirect") {
			grants = append(grants, connectors.Entitlement{NativeID: id, Kind: kindGroup, Name: name})
		}
	}
	return grants, nil
}

// canFilterMembers asks, once, for the groups of a member that cannot exist: a target that answers any ignores the
// filter and would make everyone a member of everything; one that refuses it cannot filter.
func (c *Connector) canFilterMembers(ctx context.Context, req call) (bool, error) {
	if known := c.filtersMembers.Load(); known != nil {
		return *known, nil
	}
	req.object, req.path = "", "/Groups"
	req.query = url.Values{"filter": {"members.value eq " + quote(uuid.NewString())}, "excludedAttributes": {withoutMembers}}
	found, _, err := c.client.page(ctx, req, place{Start: 1}, 1)
	kind := connectors.KindOf(err)
	if err != nil && kind != connectors.KindInvalid && kind != connectors.KindUnsupported {
		return false, err
	}
	can := err == nil && len(found) == 0
	c.filtersMembers.Store(&can)
	return can, nil
}

// groups reads the groups that a filter finds, without their members.
func (c *Connector) groups(ctx context.Context, req call, filter string) ([]connectors.Entitlement, error) {
	req.object, req.path = "", "/Groups"
	req.query = url.Values{"filter": {filter}, "excludedAttributes": {withoutMembers}}
	found, err := c.client.all(ctx, req, c.settings.pageSize)
	if err != nil {
		return nil, err
	}
	out := make([]connectors.Entitlement, 0, len(found))
	for _, r := range found {
		name := r.text("displayName")
		if name == "" {
			return nil, req.rubbish(http.StatusOK, errors.New("a group has no displayName"))
		}
		out = append(out, connectors.Entitlement{NativeID: r.id(), Kind: kindGroup, Name: name})
	}
	return out, nil
}

// Grant adds the user to the group's members. Some targets refuse a member they have already with a conflict; then the
// user's groups tell.
func (c *Connector) Grant(ctx context.Context, nativeID string, entitlement connectors.Entitlement) error {
	req, err := membership("add account to group", nativeID, entitlement)
	if err != nil {
		return err
	}
	req.body = newPatch(operation{Op: "add", Path: "members", Value: []any{map[string]any{"value": nativeID}}})
	err = c.modify(ctx, req, "/Groups/")
	if connectors.KindOf(err) != connectors.KindConflict {
		return err
	}
	grants, readErr := c.GrantsOf(ctx, nativeID)
	if readErr != nil {
		return err
	}
	for _, g := range grants {
		if g.NativeID == entitlement.NativeID {
			return nil
		}
	}
	return err
}

// Revoke removes the user from the group's members and names only that one member. A group that is gone and a member
// that is not there (RFC 7644 §3.12, noTarget) are what was asked for.
func (c *Connector) Revoke(ctx context.Context, nativeID string, entitlement connectors.Entitlement) error {
	req, err := membership("remove account from group", nativeID, entitlement)
	if err != nil {
		return err
	}
	req.body = newPatch(operation{Op: "remove", Path: "members[value eq " + quote(nativeID) + "]"})
	err = c.modify(ctx, req, "/Groups/")
	if connectors.KindOf(err) == connectors.KindNotFound || errors.Is(err, errNoTarget) {
		return nil
	}
	return err
}

// membership is a change of one group; the errors name the group.
func membership(action, nativeID string, e connectors.Entitlement) (call, error) {
	// Some targets answer with the group and all its members.
	req := call{action: action, object: e.NativeID, method: http.MethodPatch, limit: maxList}
	if e.Kind != kindGroup {
		return req, req.fail(connectors.KindUnsupported, errKind)
	}
	if nativeID == "" {
		return req, req.fail(connectors.KindInvalid, errors.New("the account has no native id"))
	}
	return req, nil
}
