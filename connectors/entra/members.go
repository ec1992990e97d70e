package entra

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/tenurehq/tenure/connectors"
)

// membersAtOnce is how many members one request adds (graph/api/group-post-members, example 2).
const membersAtOnce = 20

// AddMembers makes the accounts members of the group, in one request for every twenty: for what goes group by group where
// GrantAll goes account by account, such as filling a new group. Those who are in it already are no error.
//
// Graph takes the twenty all or none. Where one of them is in the group already, or is not there, they are added one by one
// instead: those who can be added are, and the error, which names the account, is that of the others. A group whose members
// Graph cannot change, such as a dynamic one, is KindInvalid.
func (c *Connector) AddMembers(ctx context.Context, groupID string, nativeIDs []string) error {
	for _, id := range nativeIDs { // before the first is added
		if _, err := c.addMember(id, groupID); err != nil {
			return err
		}
	}
	var failures []error
	for ids := range slices.Chunk(nativeIDs, membersAtOnce) {
		err := c.client.write(ctx, c.bindMembers(groupID, ids))
		kind := connectors.KindOf(err)
		if kind == connectors.KindNotFound { // an account, unless it is the group
			if _, gone := c.client.get(ctx, groupCall(actionAdd, groupID)); gone != nil {
				return gone
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, errHeldAlready), kind == connectors.KindNotFound:
			failures = append(failures, c.addEach(ctx, groupID, ids)...)
		default:
			return c.explained(ctx, worst(append(failures, err)))
		}
	}
	return worst(failures)
}

// bindMembers adds several members in one change of the group.
func (c *Connector) bindMembers(groupID string, nativeIDs []string) call {
	links := make([]string, len(nativeIDs))
	for i, id := range nativeIDs {
		links[i] = c.client.address(id)
	}
	req := groupCall(actionAdd, groupID)
	req.method, req.query, req.accept = http.MethodPatch, nil, []int{http.StatusNoContent}
	req.body = map[string]any{"members@odata.bind": links}
	return req
}

// addEach adds the members one by one and answers what failed.
func (c *Connector) addEach(ctx context.Context, groupID string, nativeIDs []string) []error {
	var failures []error
	for _, id := range nativeIDs {
		err := c.Grant(ctx, id, connectors.Entitlement{NativeID: groupID, Kind: kindGroup})
		if e, ok := errors.AsType[*connectors.Error](err); ok {
			e.Action, e.Object = "add to group "+groupID+" account", id
			failures = append(failures, e)
		}
	}
	return failures
}

// maxTransitive bounds the groups that are read of one account.
const maxTransitive = 10_000

// TransitiveGroups reads every group that the account is in, directly or through other groups, dynamic and synchronized ones
// among them (graph/api/user-list-transitivememberof): what an application sees that goes by groups. It is more than GrantsOf,
// which answers what can be taken away. More than 10,000 groups are KindUnsupported.
func (c *Connector) TransitiveGroups(ctx context.Context, nativeID string) ([]connectors.Entitlement, error) {
	req := listing("read transitive groups of account", nativeID, "/users/{user}/transitiveMemberOf", "id,displayName")
	req.query["top"] = "999"
	found, err := c.client.all(ctx, req, maxTransitive)
	if err != nil {
		return nil, err
	}
	groups := []connectors.Entitlement{}
	for _, o := range found {
		if o.text("@odata.type") != groupType {
			continue
		}
		group, err := groupOf(req, o)
		if err != nil {
			return nil, err
		}
		groups = append(groups, group)
	}
	return groups, nil
}
