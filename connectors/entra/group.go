package entra

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/tenurehq/tenure/connectors"
)

// groupSelection is what tells whether a group's members can be changed.
const groupSelection = "id,displayName,groupTypes,mailEnabled,securityEnabled,onPremisesSyncEnabled"

const groupType = "#microsoft.graph.group"

// findGroup resolves a group by its display name.
func (c *Connector) findGroup(ctx context.Context, name string) (connectors.Entitlement, error) {
	req := call{
		action: "find group", method: http.MethodGet, template: "/groups",
		query: map[string]string{"select": groupSelection, "filter": "displayName eq " + quote(name)},
	}
	found, err := c.client.all(ctx, req, maxMatches)
	if err != nil {
		return connectors.Entitlement{}, err
	}
	group, err := one(req, found, name, func(o object) string { return o.text("displayName") })
	if err != nil {
		return connectors.Entitlement{}, err
	}
	if why := unchangeable(group); why != nil {
		req.object = group.text("id")
		return connectors.Entitlement{}, req.fail(connectors.KindInvalid, why)
	}
	return groupOf(req, group)
}

// unchangeable is why Graph refuses to change a group's members (graph/api/group-post-members,
// entra/identity/users/groups-dynamic-membership); nil when it does not. Microsoft 365 groups ("Unified") are mail-enabled
// and yet Graph's own.
func unchangeable(group object) error {
	types := group.texts("groupTypes")
	switch {
	case slices.Contains(types, "DynamicMembership"):
		return errors.New("the group is dynamic: a rule decides who is in it; map the attributes of the rule, or name another group")
	case group.flag("onPremisesSyncEnabled"):
		return errSynchronized
	case group.flag("mailEnabled") && !slices.Contains(types, "Unified"):
		return errMailGroup
	}
	return nil
}

func groupOf(req call, group object) (connectors.Entitlement, error) {
	id, name := group.text("id"), group.text("displayName")
	if checkID(id) != nil || name == "" {
		return connectors.Entitlement{}, req.rubbish(http.StatusOK, errors.New("a group has no id or no displayName"))
	}
	return connectors.Entitlement{NativeID: id, Kind: kindGroup, Name: name}, nil
}

// groupsOf reads the groups that the user is directly in (graph/api/user-list-memberof), from the directory itself: the
// form that lists groups only is served by the search index, which may be minutes behind.
func (c *Connector) groupsOf(ctx context.Context, nativeID string) ([]connectors.Entitlement, error) {
	req := groupListing(nativeID)
	memberOf, err := c.client.all(ctx, req, maxGroups)
	if err != nil {
		return nil, err
	}
	return groupsAmong(req, memberOf)
}

func groupListing(nativeID string) call {
	req := listing("read groups of account", nativeID, "/users/{user}/memberOf", groupSelection)
	req.query["top"] = "999"
	return req
}

// groupsAmong are the groups among what a user is in, as far as Tenure can take the user out of them.
func groupsAmong(req call, memberOf []object) ([]connectors.Entitlement, error) {
	var grants []connectors.Entitlement
	for _, o := range memberOf {
		if o.text("@odata.type") != groupType || unchangeable(o) != nil {
			continue
		}
		group, err := groupOf(req, o)
		if err != nil {
			return nil, err
		}
		grants = append(grants, group)
	}
	return grants, nil
}

// maxGroups is beyond what anybody can be in (entra/identity/users/directory-service-limits-restrictions).
const maxGroups = 20_000

// The changes of a group's members.
const (
	actionAdd    = "add account to group"
	actionRemove = "remove account from group"
)

// explained is what a refused change of a group's members means. Graph answers one of a dynamic group with the same 403 as it
// does an application without the permission (KelvinTegelaar/CIPP#468). A group may have become such since its name was
// resolved, so that what it is now tells.
func (c *Connector) explained(ctx context.Context, err error) error {
	e, ok := errors.AsType[*connectors.Error](err)
	if !ok || e.Status != http.StatusForbidden || e.Action != actionAdd && e.Action != actionRemove {
		return err
	}
	req := groupCall(e.Action, e.Object)
	group, errRead := c.client.get(ctx, req)
	if errRead != nil {
		return err
	}
	if why := unchangeable(group); why != nil {
		return req.fail(connectors.KindInvalid, why)
	}
	return err
}

// groupCall is a call that speaks of one group: a GET of what tells whether its members can be changed, until something else is
// made of it.
func groupCall(action, groupID string) call {
	return call{
		action: action, object: groupID, method: http.MethodGet, template: "/groups/{group}", ids: map[string]string{"group": groupID},
		query: map[string]string{"select": groupSelection},
	}
}

// addMember adds the user to the group (graph/api/group-post-members).
func (c *Connector) addMember(nativeID, groupID string) (call, error) {
	req, err := entitlementCall(actionAdd, http.MethodPost, "/groups/{group}/members/$ref", nativeID, groupID)
	if err != nil {
		return call{}, err
	}
	req.ids = map[string]string{"group": groupID}
	req.body, req.accept = c.client.reference(nativeID), []int{http.StatusNoContent}
	return req, nil
}

// removeMember removes the user from the group (graph/api/group-delete-members).
func (c *Connector) removeMember(ctx context.Context, nativeID, groupID string) error {
	req, err := memberReference(nativeID, groupID)
	if err != nil {
		return err
	}
	_, err = c.client.do(ctx, req)
	return c.explained(ctx, err)
}

// memberReference is the one place where the removal of a member is written. Without /$ref at its end the same request
// deletes the user, not the membership (graph/api/group-delete-members warns of it); an empty id, or one that holds a
// slash or a question mark, could take it away, so that such ids make no request at all.
func memberReference(nativeID, groupID string) (call, error) {
	req, err := entitlementCall(actionRemove, http.MethodDelete, "/groups/{group}/members/{user}/$ref", nativeID, groupID)
	if err != nil {
		return call{}, err
	}
	req.ids["group"] = groupID
	req.accept = []int{http.StatusNoContent}
	return req, nil
}
