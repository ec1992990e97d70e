package okta

import (
	"context"
	"errors"
	"net/http"

	"github.com/okta/okta-sdk-golang/v2/okta"

	"github.com/tenurehq/tenure/connectors"
)

// oktaGroup is the type of a group whose members are changed through the API. The others are APP_GROUP and BUILT_IN.
const oktaGroup = "OKTA_GROUP"

var errNotOurs = errors.New("the group is not of type OKTA_GROUP: an application or Okta itself manages its members")

func (c *Connector) findGroup(ctx context.Context, req *call, name string) (connectors.Entitlement, error) {
	groups, err := c.groups(ctx, req, groupsPath+query("search", "profile.name eq "+quote(name)))
	if err != nil {
		return connectors.Entitlement{}, err
	}
	var ours, others []okta.Group
	for _, g := range groups {
		if g.Type == oktaGroup {
			ours = append(ours, g)
		} else {
			others = append(others, g)
		}
	}
	nameOf := func(g okta.Group) string { return g.Profile.Name }
	g, err := choose(req, ours, name, nameOf)
	if connectors.KindOf(err) == connectors.KindNotFound {
		if _, other := choose(req, others, name, nameOf); connectors.KindOf(other) != connectors.KindNotFound {
			return connectors.Entitlement{}, req.fail(connectors.KindInvalid, errNotOurs)
		}
	}
	if err != nil {
		return connectors.Entitlement{}, err
	}
	return groupEntitlement(g), nil
}

func groupEntitlement(g okta.Group) connectors.Entitlement {
	return connectors.Entitlement{NativeID: g.Id, Kind: kindGroup, Name: g.Profile.Name}
}

func (c *Connector) groupsOf(ctx context.Context, req *call) ([]connectors.Entitlement, error) {
	groups, err := c.groups(ctx, req, usersPath+"/"+req.object+"/groups")
	if err != nil {
		return nil, err
	}
	var grants []connectors.Entitlement
	for _, g := range groups {
		if g.Type == oktaGroup {
			grants = append(grants, groupEntitlement(g))
		}
	}
	return grants, nil
}

func (c *Connector) groups(ctx context.Context, req *call, at string) ([]okta.Group, error) {
	groups, err := all[okta.Group](ctx, c, req, at)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if g.Id == "" || g.Type == "" || g.Profile == nil || g.Profile.Name == "" {
			return nil, req.rubbish(http.StatusOK, errors.New("the answer holds what is not a group"))
		}
	}
	return groups, nil
}

// setMember changes one membership. Repeating it changes nothing (Groups API: Assign a user to a group). Okta refuses a
// group that an application fills with the same code as a token without the right (okta/terraform-provider-okta#118), and
// a built-in one as not implemented (#903): then the group's type tells.
func (c *Connector) setMember(
	ctx context.Context, req *call, userID string, request func(ctx context.Context, groupID, userID string) (*okta.Response, error),
) error {
	err := req.do(ctx, noContent, func(ctx context.Context) error {
		_, err := request(ctx, req.object, userID)
		return err
	})
	if !refusedBecause(err, codeForbidden, codeUnsupported) {
		return err
	}
	var g *okta.Group
	errType := req.do(ctx, anObject, func(ctx context.Context) (err error) {
		g, _, err = c.client.Group.GetGroup(ctx, req.object)
		return err
	})
	if errType == nil && g != nil && g.Type != "" && g.Type != oktaGroup {
		return req.fail(connectors.KindInvalid, errNotOurs)
	}
	return err
}
