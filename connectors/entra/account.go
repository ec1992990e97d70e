package entra

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"strings"

	"github.com/tenurehq/tenure/connectors"
)

const userTypeGuest = "Guest"

// CreateAccount creates a user, or invites a guest when userType says so, and answers it as the directory will show it:
// reading it back would often answer 404 at first, so that the wish is taken where the answer is silent. A manager who is
// not there (yet) does not keep the account from being made: it is answered without one, and an update mends that. What else
// goes wrong once the user exists is an error beside the account.
func (c *Connector) CreateAccount(ctx context.Context, account connectors.Account) (connectors.Account, error) {
	req := call{action: "create account", method: http.MethodPost, template: "/users", accept: []int{http.StatusCreated}}
	w, err := c.parseWish(account.Attributes)
	if err != nil {
		return connectors.Account{}, req.fail(connectors.KindInvalid, err)
	}
	dropNull(w.properties)
	var created object
	if w.properties["userType"] == userTypeGuest {
		created, err = c.invite(ctx, w.properties, account.Enabled)
	} else {
		created, err = c.createMember(ctx, req, w.properties, account.Enabled)
	}
	if err != nil {
		return connectors.Account{NativeID: created.text("id")}, err
	}
	stored, err := accountOf(created)
	if err != nil {
		return connectors.Account{}, req.rubbish(http.StatusCreated, err)
	}
	if w.manager == nil || *w.manager == (managerWish{}) {
		return stored, nil
	}
	manager, err := c.setManager(ctx, stored.NativeID, *w.manager)
	switch {
	case connectors.KindOf(err) == connectors.KindNotFound:
		return stored, nil
	case err != nil:
		return stored, err
	}
	put(stored.Attributes, attributeManager, manager["userPrincipalName"])
	put(stored.Attributes, attributeManagerID, manager["id"])
	return stored, nil
}

// dropNull leaves out what should have no value, which a new account has not anyway.
func dropNull(properties map[string]any) {
	maps.DeleteFunc(properties, func(_ string, value any) bool {
		if parts, ok := value.(map[string]any); ok {
			dropNull(parts)
			return len(parts) == 0
		}
		list, ok := value.([]any)
		return value == nil || ok && len(list) == 0
	})
}

// createMember creates a user with a random password that nobody is told (graph/api/user-post-users).
func (c *Connector) createMember(ctx context.Context, req call, properties map[string]any, enabled bool) (object, error) {
	name, _ := properties["userPrincipalName"].(string)
	if _, ok := properties["mailNickname"]; !ok {
		properties["mailNickname"] = nickname(name)
	}
	for _, required := range []string{"userPrincipalName", "displayName"} {
		if s, _ := properties[required].(string); s == "" {
			return nil, req.fail(connectors.KindInvalid, errors.New("an account needs "+required))
		}
	}
	body := maps.Clone(properties)
	body["accountEnabled"], body["passwordProfile"] = enabled, passwordProfile()
	req.body = body
	ans, err := c.client.do(ctx, req)
	if err != nil {
		return nil, err
	}
	answered, err := req.read(ans)
	if err != nil {
		return nil, err
	}
	// The answer shows the default set of properties only; what it shows counts, the rest is as wished.
	created := object(maps.Clone(properties))
	for property, value := range answered {
		if value != nil {
			created[property] = value
		}
	}
	created["accountEnabled"] = enabled
	if _, ok := created["userType"]; !ok {
		created["userType"] = "Member" // what the directory makes of none (graph/api/resources/user)
	}
	return created, nil
}

// unfitForNickname is what a mailNickname cannot hold (graph/api/resources/user).
var unfitForNickname = regexp.MustCompile(`[^0-9A-Za-z!#$%&'*+\-/=?^_{|}~.]`)

// nickname makes the required mailNickname from a userPrincipalName.
func nickname(principalName string) string {
	local, _, _ := strings.Cut(principalName, "@")
	return unfitForNickname.ReplaceAllString(local, "_")
}

// passwordProfile is a random password of 30 characters with at least 128 bits, of all the classes that a policy may ask
// for. Whoever knew it could not use it: it must be changed at the next sign-in.
func passwordProfile() map[string]any {
	return map[string]any{"password": "aA1!" + rand.Text(), "forceChangePasswordNextSignIn": true}
}

// invite creates a guest by invitation (graph/api/invitation-post), then writes what an invitation cannot carry. The
// address is the mail attribute. Inviting an address again invites the same guest, so that an attempt that broke off
// between the two converges. When the second fails, as it does with KindNotFound while the guest is not shown yet, the guest
// exists, enabled: an invitation knows no other. Then the error comes with the guest's id, and a caller has to go on.
func (c *Connector) invite(ctx context.Context, properties map[string]any, enabled bool) (object, error) {
	req := call{action: "invite guest", method: http.MethodPost, template: "/invitations", accept: []int{http.StatusCreated}}
	mail, _ := properties["mail"].(string)
	if mail == "" {
		return nil, req.fail(connectors.KindInvalid, errors.New("a guest needs mail, the address that the invitation is for"))
	}
	body := map[string]any{
		"invitedUserEmailAddress": mail, "invitedUserType": userTypeGuest,
		"inviteRedirectUrl": c.settings.inviteRedirectURL, "sendInvitationMessage": c.settings.sendInvitationMessage,
	}
	if name, ok := properties["displayName"]; ok {
		body["invitedUserDisplayName"] = name
	}
	req.body = body
	ans, err := c.client.do(ctx, req)
	if err != nil {
		return nil, err
	}
	invitation, err := req.read(ans)
	if err != nil {
		return nil, err
	}
	guest, _ := invitation["invitedUser"].(map[string]any)
	id := object(guest).text("id")
	if checkID(id) != nil {
		return nil, req.rubbish(ans.status, errors.New("the invitation names no user"))
	}
	rest := maps.Clone(properties)
	delete(rest, "mail")
	delete(rest, "userType")
	if !enabled {
		rest["accountEnabled"] = false
	}
	if len(rest) > 0 {
		if err := c.patch(ctx, "complete guest", id, rest); err != nil {
			return object{"id": id}, err
		}
	}
	created := object(maps.Clone(properties))
	created["id"], created["accountEnabled"] = id, enabled
	return created, nil
}

// UpdateAccount changes properties in one request, and the manager in another. A nil value clears.
func (c *Connector) UpdateAccount(ctx context.Context, nativeID string, changes map[string]any) error {
	w, err := c.parseWish(changes)
	if err != nil {
		return userCall("update account", nativeID).fail(connectors.KindInvalid, err)
	}
	if len(w.properties) > 0 {
		if err := c.patch(ctx, "update account", nativeID, w.properties); err != nil {
			return err
		}
	}
	switch {
	case w.manager == nil:
		return nil
	case *w.manager == managerWish{}:
		return c.removeManager(ctx, nativeID)
	}
	_, err = c.setManager(ctx, nativeID, *w.manager)
	return err
}

// SetEnabled writes accountEnabled. It writes without reading first: a leave has no time to lose.
func (c *Connector) SetEnabled(ctx context.Context, nativeID string, enabled bool) error {
	action := "disable account"
	if enabled {
		action = "enable account"
	}
	return c.patch(ctx, action, nativeID, map[string]any{"accountEnabled": enabled})
}

// patch changes properties of a user (graph/api/user-update).
func (c *Connector) patch(ctx context.Context, action, nativeID string, properties map[string]any) error {
	req := userCall(action, nativeID)
	req.method, req.body, req.accept = http.MethodPatch, properties, []int{http.StatusNoContent}
	_, err := c.client.do(ctx, req)
	return err
}

// DeleteAccount deletes the user, who stays restorable for 30 days (graph/api/user-delete). Only Graph's own 404 counts
// as gone already.
func (c *Connector) DeleteAccount(ctx context.Context, nativeID string) error {
	req := userCall("delete account", nativeID)
	req.method, req.accept = http.MethodDelete, []int{http.StatusNoContent}
	_, err := c.client.do(ctx, req)
	if connectors.KindOf(err) == connectors.KindNotFound {
		return nil
	}
	return err
}
