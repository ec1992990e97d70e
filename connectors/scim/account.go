package scim

import (
	"context"
	"net/http"

	"github.com/tenurehq/tenure/connectors"
)

// CreateAccount creates a user and answers it as the target did. An answer without an id is ambiguous: the look-up that
// follows will tell.
func (c *Connector) CreateAccount(ctx context.Context, account connectors.Account) (connectors.Account, error) {
	req := call{action: "create account", method: http.MethodPost, path: "/Users", accept: []int{http.StatusCreated, http.StatusOK}}
	changes, err := parseChanges(account.Attributes)
	if err != nil {
		return connectors.Account{}, req.fail(connectors.KindInvalid, err)
	}
	body := resource{"active": account.Enabled}
	for _, ch := range changes {
		body.set(ch.key, ch.value)
	}
	body.listSchemas()
	req.body = body
	ans, err := c.client.do(ctx, req)
	if err != nil {
		return connectors.Account{}, err
	}
	created, err := decodeResource(ans.body)
	if err != nil {
		return connectors.Account{}, req.rubbish(ans.status, err)
	}
	stored, err := created.account()
	if err != nil {
		return connectors.Account{}, req.rubbish(ans.status, err)
	}
	return stored, nil
}

// UpdateAccount changes attributes by PATCH or by PUT, as the setting update says.
func (c *Connector) UpdateAccount(ctx context.Context, nativeID string, changes map[string]any) error {
	parsed, err := parseChanges(changes)
	if err != nil {
		return call{action: "update account", object: nativeID}.fail(connectors.KindInvalid, err)
	}
	if len(parsed) == 0 {
		return nil
	}
	if c.settings.update == updatePut {
		return c.replace(ctx, "update account", nativeID, func(r resource) {
			for _, ch := range parsed {
				r.set(ch.key, ch.value)
			}
			r.listSchemas()
		})
	}
	var current resource
	if needsCurrent(parsed) {
		if current, _, err = c.read(ctx, "update account", nativeID); err != nil {
			return err
		}
	}
	ops := patchOperations(current, parsed)
	if len(ops) == 0 {
		return nil
	}
	return c.patch(ctx, "update account", nativeID, ops...)
}

// SetEnabled writes the attribute "active". It writes without reading first: a leave has no time to lose.
func (c *Connector) SetEnabled(ctx context.Context, nativeID string, enabled bool) error {
	action := "disable account"
	if enabled {
		action = "enable account"
	}
	if c.settings.update == updatePut {
		return c.replace(ctx, action, nativeID, func(r resource) { r["active"] = enabled })
	}
	return c.patch(ctx, action, nativeID, operation{Op: "replace", Path: "active", Value: enabled})
}

// DeleteAccount deletes the user. Only a SCIM error with 404 counts as gone already.
func (c *Connector) DeleteAccount(ctx context.Context, nativeID string) error {
	req := call{action: "delete account", object: nativeID, method: http.MethodDelete, accept: []int{http.StatusNoContent}}
	var err error
	if req.path, err = resourcePath("/Users/", nativeID); err != nil {
		return req.fail(connectors.KindInvalid, err)
	}
	_, err = c.client.do(ctx, req)
	if connectors.KindOf(err) == connectors.KindNotFound {
		return nil
	}
	return err
}

func (c *Connector) patch(ctx context.Context, action, nativeID string, ops ...operation) error {
	return c.modify(ctx, call{action: action, object: nativeID, method: http.MethodPatch, body: newPatch(ops...)}, "/Users/")
}

// replace reads the user, changes it and writes it back whole, on the condition that nobody changed it in between when
// the target has entity-tags (RFC 7644 §3.14). The attributes that only the target writes are left out; it keeps them.
func (c *Connector) replace(ctx context.Context, action, nativeID string, edit func(resource)) error {
	r, etag, err := c.read(ctx, action, nativeID)
	if err != nil {
		return err
	}
	edit(r)
	delete(r, "meta")
	delete(r, "groups")
	return c.modify(ctx, call{action: action, object: nativeID, method: http.MethodPut, body: r, ifMatch: etag}, "/Users/")
}

// modify makes a PATCH or PUT. 204 has no body; with 200 the body must be the resource, so that a login page which a
// gateway put in the way is not taken for a success.
func (c *Connector) modify(ctx context.Context, req call, prefix string) error {
	var err error
	if req.path, err = resourcePath(prefix, req.object); err != nil {
		return req.fail(connectors.KindInvalid, err)
	}
	req.accept = []int{http.StatusOK, http.StatusNoContent}
	ans, err := c.client.do(ctx, req)
	if err != nil || ans.status == http.StatusNoContent {
		return err
	}
	_, err = sameResource(req, ans)
	return err
}
