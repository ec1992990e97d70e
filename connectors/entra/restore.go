package entra

import (
	"context"
	"net/http"
	"regexp"

	"github.com/tenurehq/tenure/connectors"
)

// deletedPrefix is what the directory puts before the userPrincipalName of a deleted user: the object id without hyphens,
// which keeps the name free for others. No page of the reference says so; administrators' accounts of it agree.
var deletedPrefix = regexp.MustCompile(`^[0-9a-f]{32}`)

// FindDeleted looks deleted users up (graph/api/directory-deleteditems-list). A userPrincipalName is looked up by its end,
// which only the search index can do (graph/aad-advanced-queries); that index is behind by up to some minutes. The
// accounts show the name that they had.
func (c *Connector) FindDeleted(ctx context.Context, attribute, value string) ([]connectors.Account, error) {
	req, err := c.lookUpDeleted(attribute, value)
	if err != nil {
		return nil, err
	}
	users, err := c.client.all(ctx, req, maxMatches)
	if err != nil {
		return nil, err
	}
	return matchingDeleted(req, users, attribute, value)
}

const principalName = "userPrincipalName"

// lookUpDeleted is the look-up of deleted users by an attribute.
func (c *Connector) lookUpDeleted(attribute, value string) (call, error) {
	req := call{
		action: "find deleted accounts", method: http.MethodGet, template: "/directory/deletedItems/microsoft.graph.user",
		query: map[string]string{"select": c.selection()}, accept: []int{http.StatusOK},
	}
	filter, err := c.settings.filterOf(attribute, value)
	if err != nil {
		return req, req.fail(connectors.KindInvalid, err)
	}
	if attribute == principalName {
		filter = "endsWith(userPrincipalName," + quote(value) + ")"
		req.eventual, req.query["count"] = true, "true"
	}
	req.query["filter"] = filter
	return req, nil
}

// matchingDeleted reads the deleted users whose attribute had the value that was looked for.
func matchingDeleted(req call, users []object, attribute, value string) ([]connectors.Account, error) {
	for _, user := range users {
		user[principalName] = deletedPrefix.ReplaceAllString(user.text(principalName), "")
		user["accountEnabled"] = user.flag("accountEnabled") // nobody who is deleted can sign in, whether this is shown or not
	}
	return matching(req, users, attribute, value)
}

// RestoreAccount restores a deleted user (graph/api/directory-deleteditems-restore) and reads it. KindNotFound means that it
// is not among the deleted: its 30 days are over, or it is back already. A restored user who is not shown yet is
// KindUnavailable.
func (c *Connector) RestoreAccount(ctx context.Context, nativeID string) (connectors.Account, error) {
	req := call{
		action: "restore account", object: nativeID, method: http.MethodPost,
		template: "/directory/deletedItems/{user}/restore", ids: map[string]string{"user": nativeID}, accept: []int{http.StatusOK},
	}
	if err := c.client.write(ctx, req); err != nil {
		return connectors.Account{}, err
	}
	account, err := c.GetAccount(ctx, nativeID)
	if connectors.KindOf(err) == connectors.KindNotFound {
		err = req.fail(connectors.KindUnavailable, errNotShown)
	}
	return account, err
}

const errNotShown = explanation("the account was restored and is not shown yet: read again")
