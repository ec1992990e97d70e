package okta

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/okta/okta-sdk-golang/v2/okta"
	okquery "github.com/okta/okta-sdk-golang/v2/okta/query"

	"github.com/tenurehq/tenure/connectors"
)

// CreateAccount creates a user in one request: STAGED when it is to be disabled, else activated. The password is a random
// one that nobody is told, since Okta mails a link to a user who is activated without one, and never to one who has one
// (Users API: Create a user); with it the user becomes ACTIVE and can be suspended. The person gets in by Okta's own reset
// of a forgotten password, or by an identity provider. An activation that takes a while shows as disabled until it is done.
func (c *Connector) CreateAccount(ctx context.Context, account connectors.Account) (connectors.Account, error) {
	return c.create(ctx, account, nil)
}

// mostGroups is how many groups a user can be created in (Users API: Create user in group).
const mostGroups = 20

// CreateAccountWith creates a user who is in groups from the start, which saves a request a group. It answers what of the
// entitlements is left to be granted: applications, and groups from the 21st on. When Okta refuses one of the groups,
// nobody is created. Okta answers the user as it has stored it: status, and the whole profile (Users API: Create a user).
func (c *Connector) CreateAccountWith(
	ctx context.Context, account connectors.Account, entitlements []connectors.Entitlement,
) (created connectors.Account, left []connectors.Entitlement, err error) {
	req := &call{action: "create account"}
	var groups []string
	for _, e := range entitlements {
		if e.Kind != kindGroup || len(groups) == mostGroups {
			left = append(left, e)
			continue
		}
		if err := checkID(req, e.NativeID); err != nil {
			return connectors.Account{}, nil, err
		}
		groups = append(groups, e.NativeID)
	}
	created, err = c.create(ctx, account, groups)
	if err != nil {
		return connectors.Account{}, nil, err
	}
	return created, left, nil
}

func (c *Connector) create(ctx context.Context, account connectors.Account, groups []string) (connectors.Account, error) {
	req := &call{action: "create account", secret: newPassword()}
	if err := checkNames(req, account.Attributes); err != nil {
		return connectors.Account{}, err
	}
	profile := okta.UserProfile(account.Attributes)
	body := okta.CreateUserRequest{
		Profile: &profile, GroupIds: groups, Credentials: &okta.UserCredentials{Password: &okta.PasswordCredential{Value: req.secret}},
	}
	var u *okta.User
	err := req.do(ctx, anObject, func(ctx context.Context) (err error) {
		u, _, err = c.client.User.CreateUser(ctx, body, &okquery.Params{Activate: &account.Enabled})
		return err
	})
	if err != nil {
		return connectors.Account{}, err
	}
	if err := req.checkUser(u); err != nil {
		return connectors.Account{}, err
	}
	return accountOf(u), nil
}

// checkNames refuses keys that are no names of profile properties.
func checkNames(req *call, attributes map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if err := checkName(name); err != nil {
			return req.fail(connectors.KindInvalid, err)
		}
	}
	return nil
}

func checkName(name string) error {
	if !propertyName.MatchString(name) {
		return fmt.Errorf("the attribute %q is not the name of a profile property", name)
	}
	return nil
}

// UpdateAccount changes profile properties by a partial update; null removes one (Users API: Update a user). Okta updates
// nobody who is deactivated unless the org allows it: enable such an account first.
func (c *Connector) UpdateAccount(ctx context.Context, nativeID string, changes map[string]any) error {
	req := &call{action: "update account", object: nativeID}
	if err := checkNames(req, changes); err != nil {
		return err
	}
	if len(changes) == 0 {
		return nil
	}
	profile := okta.UserProfile(changes)
	err := c.write(ctx, req, okta.User{Profile: &profile})
	if connectors.KindOf(err) != connectors.KindNotFound {
		return err
	}
	if err := c.deactivatedOrGone(ctx, req); err != nil {
		return err
	}
	return req.fail(connectors.KindInvalid, errors.New("the user is deactivated, and Okta then updates no profile: enable the account first"))
}

// write makes a partial update of the user.
func (c *Connector) write(ctx context.Context, req *call, body okta.User) error {
	if err := checkID(req, req.object); err != nil {
		return err
	}
	var u *okta.User
	err := req.do(ctx, anObject, func(ctx context.Context) (err error) {
		u, _, err = c.client.User.PartialUpdateUser(ctx, req.object, body, nil)
		return err
	})
	if err != nil {
		return err
	}
	return req.checkUser(u)
}

// DeleteAccount deletes the user. Okta deactivates at the first request and deletes at the second (Users API: Delete a
// user), of which one who is deactivated already needs the first only: the second then finds nobody.
func (c *Connector) DeleteAccount(ctx context.Context, nativeID string) error {
	req := &call{action: "delete account", object: nativeID}
	if err := checkID(req, nativeID); err != nil {
		return err
	}
	for range 2 {
		err := req.do(ctx, noContent, func(ctx context.Context) error {
			_, err := c.client.User.DeactivateOrDeleteUser(ctx, nativeID, nil)
			return err
		})
		if connectors.KindOf(err) == connectors.KindNotFound {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// newPassword is a random password of 53 characters, within the 72 that Okta takes (Users API: Password object), with
// every class of character. Groups of at most three keep it from holding a part of the login by chance, which has four
// characters or more to count.
func newPassword() string {
	random := (rand.Text() + strings.ToLower(rand.Text()))[:40]
	groups := slices.Collect(slices.Chunk([]byte(random), 3))
	var b strings.Builder
	for _, g := range groups {
		b.Write(g)
		b.WriteByte('-')
	}
	return b.String() + "aA9"
}
