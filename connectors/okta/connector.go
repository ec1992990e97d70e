// Package okta is the connector for Okta's management API (/api/v1). Accounts are users; entitlements are groups (kind
// "group") and direct assignments to applications (kind "application"). It makes one HTTP request after the other, each
// once: it never repeats one, waits for nothing but connectors.Take, follows no redirect, and leaves time-outs to the caller's
// context.
//
// What the vendor's API does is cited by the page of developer.okta.com that says so: "Users API: List all users" is
// docs/api/openapi/okta-management/management/tag/User, operation listUsers.
//
// # Attribute keys
//
// The keys of Account.Attributes are the names of the user's profile properties as Okta spells them: "login",
// "firstName", "department", and those that the org has added. Properties without a value are left out.
//
// # Enabled
//
// An account is enabled from its activation on, so also while it waits for a first password (PROVISIONED), is locked out
// or has an expired password, since the person can mend that alone. STAGED, SUSPENDED and DEPROVISIONED are disabled. A
// change of status that is under way (transitioningToStatus) counts once it is done.
//
// # Errors
//
// Every error is a *connectors.Error whose text holds neither the URL nor Okta's words. For a write, an answer that
// never came after the request's head was sent, 502, 504 and a success that cannot be understood are KindAmbiguous; a
// failed dial, 500 and 503 are KindUnavailable, as are all of them for a read.
package okta

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/okta/okta-sdk-golang/v2/okta"

	"github.com/tenurehq/tenure/connectors"
)

// Connector is one Okta org. It is safe for concurrent use and keeps its connections open between calls: make one a
// target, not one a call.
type Connector struct {
	client *okta.Client
	org    string // the org's URL, without a slash at the end
	page   int
	kinds  []string
	ended  *endings
}

var (
	_ connectors.AccountWriter      = (*Connector)(nil)
	_ connectors.EntitlementGranter = (*Connector)(nil)
	_ connectors.SessionEnder       = (*Connector)(nil)
	_ connectors.Deactivator        = (*Connector)(nil)
	_ connectors.PasswordResetter   = (*Connector)(nil)
	_ connectors.FactorResetter     = (*Connector)(nil)
	_ connectors.RevocationOrderer  = (*Connector)(nil)
	_ connectors.GrantingCreator    = (*Connector)(nil)
)

// Definition is what a registry holds under the name okta.
func Definition() connectors.Definition {
	return connectors.Definition{New: New, Check: check}
}

// New makes a connector from the settings and makes no call. The settings are:
//
//	orgUrl        required; https, or http to a loopback address; not the -admin address
//	token         an API token, sent as SSWS; or instead of it, which Okta recommends, a service application:
//	clientId      its client id
//	privateKey    its RSA private key in PEM (PKCS #1 or PKCS #8)
//	privateKeyId  the key's id (kid); optional while the application has one key only
//	scopes        what to ask for; default okta.users.manage, okta.groups.manage and, with applications, okta.apps.manage
//	caFile        a file with certificates in PEM to trust besides the system's
//	pageSize      users a page, 1 to 200; default 200
//	entitlements  the kinds that Tenure grants, reads and takes back: group, application; default group only
//
// The error names the setting at fault.
func New(in connectors.Settings) (connectors.Connector, error) {
	s, err := parseSettings(in)
	if err != nil {
		return nil, fmt.Errorf("okta: %w", err)
	}
	c := &Connector{org: s.orgURL, page: s.pageSize, kinds: s.kinds, ended: &endings{}}
	if c.client, err = newClient(s); err != nil {
		return nil, fmt.Errorf("okta: setting orgUrl: %w", err)
	}
	return c, nil
}

// Probe lists at most one user, which proves token and scope.
func (c *Connector) Probe(ctx context.Context) error {
	_, _, err := list[okta.User](ctx, c, &call{action: "probe target"}, usersPath+"?limit=1")
	return err
}

// GetAccount reads one user. Only an id counts, though Okta takes a login too.
func (c *Connector) GetAccount(ctx context.Context, nativeID string) (connectors.Account, error) {
	req := &call{action: "read account", object: nativeID}
	u, err := c.user(ctx, req)
	if err != nil {
		return connectors.Account{}, err
	}
	return accountOf(u), nil
}

// user reads the user that the call speaks of.
func (c *Connector) user(ctx context.Context, req *call) (*okta.User, error) {
	if err := checkID(req, req.object); err != nil {
		return nil, err
	}
	var u *okta.User
	err := req.do(ctx, anObject, func(ctx context.Context) (err error) {
		u, _, err = c.client.User.GetUser(ctx, req.object)
		return err
	})
	if err != nil {
		return nil, err
	}
	return u, req.checkUser(u)
}

// consistent are the properties for which filter works, which reads "the most up-to-date data" (Users API: List users
// with a filter); any other needs search, whose answers come from a copy that lags behind.
var consistent = []string{"login", "email", "firstName", "lastName"}

// FindAccounts looks users up by a profile property or by "id", whatever their status. By login, email, firstName and
// lastName it compares with regard to case and finds a user right after its creation: correlate by one of these. By any
// other property the case does not count, and a new user is found after a while only; each hit is then read by its id, as
// Okta asks for ("Use an ID lookup for records that you update", Users API: List all users), so that what is answered is
// what is. A user created twice meanwhile is refused by Okta, since logins are unique.
func (c *Connector) FindAccounts(ctx context.Context, attribute, value string) ([]connectors.Account, error) {
	req := &call{action: "find accounts"}
	if attribute == "id" {
		return c.findByID(ctx, value)
	}
	if err := checkName(attribute); err != nil {
		return nil, req.fail(connectors.KindInvalid, err)
	}
	parameter, exact := "search", slices.Contains(consistent, attribute)
	if exact {
		parameter = "filter"
	}
	users, err := all[okta.User](ctx, c, req, usersPath+query(parameter, "profile."+attribute+" eq "+quote(value)))
	if err != nil {
		return nil, err
	}
	found := []connectors.Account{}
	for i := range users {
		account, err := c.hit(ctx, req, &users[i], exact)
		if connectors.KindOf(err) == connectors.KindNotFound {
			continue // the search's copy still shows a user who is gone
		}
		if err != nil {
			return nil, err
		}
		if holds(account.Attributes[attribute], value, exact) {
			found = append(found, account)
		}
	}
	return found, nil
}

// hit is a user of a look-up: as it was answered when that is current, else read by its id.
func (c *Connector) hit(ctx context.Context, req *call, u *okta.User, current bool) (connectors.Account, error) {
	if err := req.checkUser(u); err != nil {
		return connectors.Account{}, err
	}
	if current {
		return accountOf(u), nil
	}
	return c.GetAccount(ctx, u.Id)
}

func (c *Connector) findByID(ctx context.Context, id string) ([]connectors.Account, error) {
	account, err := c.GetAccount(ctx, id)
	switch connectors.KindOf(err) {
	case "":
		return []connectors.Account{account}, nil
	case connectors.KindNotFound, connectors.KindInvalid:
		return []connectors.Account{}, nil
	default:
		return nil, err
	}
}

// holds reports whether a property has the value: as its text, or as one of several values.
func holds(shown any, value string, exact bool) bool {
	if several, ok := shown.([]any); ok {
		return slices.ContainsFunc(several, func(one any) bool { return holds(one, value, exact) })
	}
	text := fmt.Sprint(shown)
	return shown != nil && (text == value || !exact && strings.EqualFold(text, value))
}

// everyStatus is a filter that every user passes. The plain list leaves out DEPROVISIONED, a filter does not, and unlike
// a search it misses nobody who is new (Users API: List all users).
const everyStatus = `lastUpdated gt "1970-01-01T00:00:00.000Z"`

// ListAccounts reads a page of all users, deactivated ones included.
func (c *Connector) ListAccounts(ctx context.Context, page connectors.Page) (connectors.Accounts, error) {
	req := &call{action: "list accounts"}
	size := c.page
	if page.Limit > 0 && page.Limit < size {
		size = page.Limit
	}
	at := usersPath + query("filter", everyStatus, "limit", strconv.Itoa(size))
	if page.Cursor != "" {
		own, ok := strings.CutPrefix(page.Cursor, c.org+usersPath+"?")
		if !ok {
			return connectors.Accounts{}, req.fail(connectors.KindInvalid, errors.New("the cursor is not one of this org's"))
		}
		at = usersPath + "?" + own
	}
	users, next, err := list[okta.User](ctx, c, req, at)
	if err != nil {
		return connectors.Accounts{}, err
	}
	out := connectors.Accounts{Items: make([]connectors.Account, 0, len(users))}
	for i := range users {
		if err := req.checkUser(&users[i]); err != nil {
			return connectors.Accounts{}, err
		}
		out.Items = append(out.Items, accountOf(&users[i]))
	}
	if next != "" {
		out.Next = c.org + next
	}
	return out, nil
}

// accountOf is a user as Tenure sees it.
func accountOf(u *okta.User) connectors.Account {
	attributes := make(map[string]any, len(*u.Profile))
	for name, value := range *u.Profile {
		if value != nil {
			attributes[name] = value
		}
	}
	return connectors.Account{NativeID: u.Id, Enabled: enabled(u.Status), Attributes: attributes}
}

// checkUser refuses an answer that is no user, or another than the one that the call speaks of.
func (c *call) checkUser(u *okta.User) error {
	switch {
	case u == nil || u.Id == "" || u.Status == "" || u.Profile == nil || len(*u.Profile) == 0:
		return c.rubbish(http.StatusOK, errors.New("the answer is not a user"))
	case c.object != "" && u.Id != c.object:
		return c.rubbish(http.StatusOK, errors.New("the answer is another user than the one asked for"))
	default:
		return nil
	}
}
