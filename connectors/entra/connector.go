// Package entra is the connector for Microsoft Entra ID through Microsoft Graph REST v1.0. Accounts are users and
// guests; entitlements are groups (kind "group"), licences ("licence") and app roles ("appRole"). It makes each request
// once: it never repeats one, waits for nothing but connectors.Take, follows no redirect, and leaves time-outs to the caller's
// context.
//
// Of the SDK it uses what carries weight here: the credentials, the request adapter that expands addresses and puts the
// token in, and the model of errors. It does not use the generated builders and models: attributes are named by policy,
// a null in a typed model is indistinguishable from a value that is not there, and compiling them takes a minute and a
// half more on two cores (the root package: four and a half). docs/connectors/entra.md has the whole decision.
//
// # Attribute keys
//
// The keys of Account.Attributes are the names of the user's properties (graph/api/resources/user), a part of a complex one
// after a dot:
//
//	userPrincipalName, displayName, department, usageLocation, …
//	onPremisesExtensionAttributes.extensionAttribute1, employeeOrgData.costCenter
//	extension_{appId}_name                      a directory extension; name it in the setting attributes
//	manager                                     the manager's userPrincipalName; name manager in the setting attributes
//	manager.id                                  or the manager's object id, with the same setting
//	userType                                    "Guest" makes an account by invitation
//
// What has no value in the directory has no key. Values are as Graph writes them, a date as 2026-03-01T00:00:00Z: one that
// is wished for in another form never reads back as wished.
//
// # Errors
//
// Every error is a *connectors.Error whose text holds neither the URL nor the vendor's words. For a write, an answer
// that never came after the request's head was sent, 502, 504 and a success that cannot be understood are KindAmbiguous;
// a failed dial, a missing token, 500 and 503 are KindUnavailable, as are all of them for a read.
//
// # Fresh objects
//
// The directory is replicated: an account may answer 404 for seconds after it was created, and miss from a look-up
// ("Designing for Eventual Consistency for Microsoft Entra", devblogs.microsoft.com/identity). That is KindNotFound here, and
// none found. A caller that has just created or restored an account must take it for "not shown yet".
//
// # Leaving
//
// Entra allows the parts of a revocation in any order, so that connectors.RevocationOrder holds: access, sessions,
// password, factors, grants. Revoking sessions does nothing for guests, whose sessions are their home tenant's
// (graph/api/user-revokesigninsessions).
package entra

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/tenurehq/tenure/connectors"
)

// Connector is one tenant. It is safe for concurrent use and keeps its token and its connections between calls: make one
// a target, not one a call.
type Connector struct {
	client   *client
	settings settings
	names    *nameCache
}

var (
	_ connectors.AccountWriter      = (*Connector)(nil)
	_ connectors.SessionEnder       = (*Connector)(nil)
	_ connectors.PasswordResetter   = (*Connector)(nil)
	_ connectors.FactorResetter     = (*Connector)(nil)
	_ connectors.AccountRestorer    = (*Connector)(nil)
	_ connectors.EntitlementGranter = (*Connector)(nil)
	_ connectors.BulkGranter        = (*Connector)(nil)
	_ connectors.GrantReader        = (*Connector)(nil)
	_ connectors.DeletedFinder      = (*Connector)(nil)
)

// Definition is what a registry holds under the name entra.
func Definition() connectors.Definition {
	return connectors.Definition{New: New, Check: check}
}

// New makes a connector from the settings and makes no call. The settings are:
//
//	tenantId, clientId      required: the tenant and the application registered in it
//	clientSecret            one of these three is required: the application's secret,
//	certificate             a certificate with its private key, as PEM or PKCS#12 (certificatePassword opens the latter),
//	federatedTokenFile      or the file with the token of a workload identity, which is read again as it changes
//	cloud                   global (default), usGov, usGovDoD or china
//	authority, graphUrl     both or neither: the addresses of a simulator or a gateway, graphUrl with the version
//	caFile                  certificates in PEM to trust beside those of the machine
//	entitlements            the kinds that Tenure grants and revokes: group, licence, appRole; default group only
//	attributes              properties to read beside the usual ones; manager among them where it is mapped
//	pageSize                users a page, 1 to 999; default 500
//	sendInvitationMessage   whether Microsoft mails a guest the invitation; default false
//	inviteRedirectUrl       where a guest lands after accepting it
//
// The error names the setting at fault.
func New(in connectors.Settings) (connectors.Connector, error) {
	c, err := newConnector(in)
	if err != nil {
		return nil, fmt.Errorf("entra: %w", err)
	}
	return c, nil
}

func newConnector(in connectors.Settings) (*Connector, error) {
	s, err := parseSettings(in)
	if err != nil {
		return nil, err
	}
	httpClient, err := newHTTPClient(s)
	if err != nil {
		return nil, err
	}
	credential, err := newCredential(s, httpClient)
	if err != nil {
		return nil, err
	}
	cl, err := newClient(s, credential, httpClient)
	if err != nil {
		return nil, err
	}
	return &Connector{client: cl, settings: s, names: newNameCache()}, nil
}

// Probe lists at most one user's id, which proves token and permission at the lowest price there is. Where the list goes on
// does not matter: whoever has to leave can, behind a proxy that Graph's links lead around, too.
func (c *Connector) Probe(ctx context.Context) error {
	req, ans, err := c.client.list(ctx, call{action: "probe target", template: "/users", query: map[string]string{"select": "id", "top": "1"}})
	if err != nil {
		return err
	}
	_, err = req.readList(ans)
	return err
}

// GetAccount reads one user.
func (c *Connector) GetAccount(ctx context.Context, nativeID string) (connectors.Account, error) {
	req := userCall("read account", nativeID)
	req.query = c.userQuery()
	user, err := c.client.get(ctx, req)
	if err != nil {
		return connectors.Account{}, err
	}
	return userOf(req, user)
}

// userCall is a call that speaks of one user: a GET of it, until something else is made of it.
func userCall(action, nativeID string) call {
	return call{action: action, object: nativeID, method: http.MethodGet, template: "/users/{user}", ids: map[string]string{"user": nativeID}}
}

// FindAccounts looks users up by an equality filter. The answer is checked, since Graph may ignore a filter without a
// word: a user that differs from the value asked for is left out, and one that does not show the attribute at all is an
// error, since nothing proves that it is the one. Like the directory itself it does not tell upper from lower case.
func (c *Connector) FindAccounts(ctx context.Context, attribute, value string) ([]connectors.Account, error) {
	req, err := c.lookUp(attribute, value)
	if err != nil {
		return nil, err
	}
	users, err := c.client.all(ctx, req, maxMatches)
	if err != nil {
		return nil, err
	}
	return matching(req, users, attribute, value)
}

// lookUp is the look-up of users by an attribute.
func (c *Connector) lookUp(attribute, value string) (call, error) {
	req := call{action: "find accounts", method: http.MethodGet, template: "/users", query: c.userQuery(), accept: []int{http.StatusOK}}
	filter, err := c.settings.filterOf(attribute, value)
	if err != nil {
		return req, req.fail(connectors.KindInvalid, err)
	}
	req.query["filter"] = filter
	return req, nil
}

// matching reads the users whose attribute has the value that was looked for.
func matching(req call, users []object, attribute, value string) ([]connectors.Account, error) {
	found := []connectors.Account{}
	for _, user := range users {
		account, err := userOf(req, user)
		if err != nil {
			return nil, err
		}
		shown, ok := account.Attributes[attribute].(string)
		if !ok {
			return nil, req.fail(connectors.KindUnsupported, errors.New("the target answered an account that does not show "+attribute))
		}
		if strings.EqualFold(shown, value) {
			found = append(found, account)
		}
	}
	return found, nil
}

// ListAccounts reads a page of all users, guests among them. The cursor is Graph's own address of the next page.
func (c *Connector) ListAccounts(ctx context.Context, page connectors.Page) (connectors.Accounts, error) {
	req := call{action: "list accounts", method: http.MethodGet, template: "/users", query: c.userQuery(), link: page.Cursor}
	count := c.settings.pageSize
	if page.Limit > 0 && page.Limit < count {
		count = page.Limit
	}
	req.query["top"] = strconv.Itoa(count)
	p, err := c.client.page(ctx, req)
	if err != nil {
		return connectors.Accounts{}, err
	}
	out := connectors.Accounts{Items: make([]connectors.Account, 0, len(*p.Value)), Next: p.Next}
	for _, user := range *p.Value {
		account, err := userOf(req, user)
		if err != nil {
			return connectors.Accounts{}, err
		}
		out.Items = append(out.Items, account)
	}
	return out, nil
}
