package entra

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/tenurehq/tenure/connectors"
)

// managerCall is a call that speaks of the reference from a user to the manager. With /$ref at its end it can only
// change the reference, never the manager.
func managerCall(action, nativeID string) call {
	req := userCall(action, nativeID)
	req.template = "/users/{user}/manager/$ref"
	req.accept = []int{http.StatusNoContent}
	return req
}

// setManager makes the manager the user's (graph/api/user-post-manager) and answers who it is. KindNotFound means that
// either of the two is not there.
func (c *Connector) setManager(ctx context.Context, nativeID string, wish managerWish) (object, error) {
	req := managerCall("set manager", nativeID)
	req.method = http.MethodPut
	manager, err := c.findManager(ctx, req, wish)
	if err != nil {
		return nil, err
	}
	req.body = c.client.reference(manager.text("id"))
	if _, err := c.client.do(ctx, req); err != nil {
		return nil, err
	}
	return manager, nil
}

// findManager looks a manager up, by filter rather than by path, since a userPrincipalName may hold what a path cannot.
func (c *Connector) findManager(ctx context.Context, req call, wish managerWish) (object, error) {
	if wish.id != "" {
		manager := userCall("read manager", wish.id)
		manager.query = map[string]string{"select": "id,userPrincipalName"}
		return c.client.get(ctx, manager)
	}
	found, err := c.client.all(ctx, call{
		action: "find manager", method: http.MethodGet, template: "/users",
		query: map[string]string{"select": "id,userPrincipalName", "filter": "userPrincipalName eq " + quote(wish.principalName)},
	}, maxMatches)
	if err != nil {
		return nil, err
	}
	for _, user := range found {
		if strings.EqualFold(user.text("userPrincipalName"), wish.principalName) && checkID(user.text("id")) == nil {
			return user, nil
		}
	}
	return nil, req.fail(connectors.KindNotFound, errors.New("the manager's account is not there (yet)"))
}

// removeManager removes the reference (graph/api/user-delete-manager). Graph answers 404 for a user without a manager as
// it does for no user at all; the user tells which it is.
func (c *Connector) removeManager(ctx context.Context, nativeID string) error {
	req := managerCall("remove manager", nativeID)
	req.method = http.MethodDelete
	_, err := c.client.do(ctx, req)
	if connectors.KindOf(err) != connectors.KindNotFound {
		return err
	}
	user := userCall("remove manager", nativeID)
	user.query = map[string]string{"select": "id"}
	_, err = c.client.get(ctx, user)
	return err
}
