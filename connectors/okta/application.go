package okta

import (
	"context"
	"errors"
	"net/http"

	"github.com/okta/okta-sdk-golang/v2/okta"

	"github.com/tenurehq/tenure/connectors"
)

// direct is the scope of an assignment to the user, and not to a group that the user is in (Application Users API).
const direct = "USER"

// application is what counts of an application; the SDK's type has no fields for the embedded assignment.
type application struct {
	ID       string `json:"id"`
	Label    string `json:"label"`
	Embedded struct {
		User okta.AppUser `json:"user"`
	} `json:"_embedded"`
}

// findApplication looks by the beginning of the label, since no filter knows labels (Applications API: List all
// applications).
func (c *Connector) findApplication(ctx context.Context, req *call, label string) (connectors.Entitlement, error) {
	apps, err := c.applications(ctx, req, query("q", label, "limit", "200"))
	if err != nil {
		return connectors.Entitlement{}, err
	}
	a, err := choose(req, apps, label, func(a application) string { return a.Label })
	if err != nil {
		return connectors.Entitlement{}, err
	}
	return connectors.Entitlement{NativeID: a.ID, Kind: kindApplication, Name: a.Label}, nil
}

// applicationsOf reads the user's applications with the assignments, whose scope tells the direct ones.
func (c *Connector) applicationsOf(ctx context.Context, req *call) ([]connectors.Entitlement, error) {
	apps, err := c.applications(ctx, req, query("filter", "user.id eq "+quote(req.object), "expand", "user/"+req.object, "limit", "200"))
	if err != nil {
		return nil, err
	}
	var grants []connectors.Entitlement
	for _, a := range apps {
		if a.Embedded.User.Scope == "" {
			return nil, req.rubbish(http.StatusOK, errors.New("the answer holds an application without the user's assignment"))
		}
		if a.Embedded.User.Scope == direct {
			grants = append(grants, connectors.Entitlement{NativeID: a.ID, Kind: kindApplication, Name: a.Label})
		}
	}
	return grants, nil
}

func (c *Connector) applications(ctx context.Context, req *call, query string) ([]application, error) {
	apps, err := all[application](ctx, c, req, appsPath+query)
	if err != nil {
		return nil, err
	}
	for _, a := range apps {
		if a.ID == "" || a.Label == "" {
			return nil, req.rubbish(http.StatusOK, errors.New("the answer holds what is not an application"))
		}
	}
	return apps, nil
}

// assign assigns the user to the application. One who is assigned already may be refused (error-codes, E0000062).
func (c *Connector) assign(ctx context.Context, req *call, userID string) error {
	var assigned *okta.AppUser
	err := req.do(ctx, anObject, func(ctx context.Context) (err error) {
		assigned, _, err = c.client.Application.AssignUserToApplication(ctx, req.object, okta.AppUser{Id: userID, Scope: direct})
		return err
	})
	switch {
	case refusedBecause(err, codeAssigned):
		return nil
	case err != nil:
		return err
	case assigned == nil || assigned.Id != userID:
		return req.rubbish(http.StatusOK, errors.New("the answer is not the user's assignment"))
	default:
		return nil
	}
}

// unassign ends a direct assignment. It looks first, since Okta has one operation for whatever assigns the user, and what
// comes by a group is not to be taken from one member.
func (c *Connector) unassign(ctx context.Context, req *call, userID string) error {
	var assigned *okta.AppUser
	err := req.do(ctx, anObject, func(ctx context.Context) (err error) {
		assigned, _, err = c.client.Application.GetApplicationUser(ctx, req.object, userID, nil)
		return err
	})
	switch {
	case err != nil:
		return err
	case assigned == nil || assigned.Id != userID || assigned.Scope == "":
		return req.rubbish(http.StatusOK, errors.New("the answer is not the user's assignment"))
	case assigned.Scope != direct:
		return nil
	}
	return req.do(ctx, noContent, func(ctx context.Context) error {
		_, err := c.client.Application.DeleteApplicationUser(ctx, req.object, userID, nil)
		return err
	})
}
