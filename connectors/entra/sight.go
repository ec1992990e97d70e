package entra

import (
	"context"
	"net/http"
	"slices"

	"github.com/tenurehq/tenure/connectors"
)

// readings are the requests that show a user and the groups that the user is in, as steps of a batch.
func (c *Connector) readings(nativeID string) []call {
	user := userCall("read account", nativeID)
	user.query, user.accept = c.userQuery(), []int{http.StatusOK}
	groups := groupListing(nativeID)
	groups.accept = []int{http.StatusOK}
	return []call{user, groups}
}

// onlyGroups reports whether groups are all that Tenure grants here.
func (c *Connector) onlyGroups() bool {
	return slices.Equal(c.settings.entitlements, []string{kindGroup})
}

// shown reads the answers to the readings that stood at the end of a batch. It is not ok when they show less than everything:
// then what they would have shown is to be read.
func (c *Connector) shown(reads []call, answers []batchAnswer) (sight connectors.Sight, ok bool) {
	for i, req := range reads {
		if c.client.stepError(req, answers[i]) != nil {
			return sight, false
		}
	}
	user, errUser := reads[0].readObject(answers[0].answer())
	groups, errGroups := c.client.readPage(reads[1], answers[1].answer())
	if errUser != nil || errGroups != nil || groups.Next != "" {
		return sight, false
	}
	account, errAccount := userOf(reads[0], user)
	grants, errGrants := groupsAmong(reads[1], *groups.Value)
	return connectors.Sight{Account: account, Grants: grants}, errAccount == nil && errGrants == nil
}

// GetAccountWithGrants reads the user and the groups in one HTTP request; other kinds of entitlement take requests of their
// own.
func (c *Connector) GetAccountWithGrants(ctx context.Context, nativeID string) (connectors.Sight, error) {
	if !slices.Contains(c.settings.entitlements, kindGroup) {
		return c.separately(ctx, nativeID)
	}
	reads := c.readings(nativeID)
	answers, err := c.client.batch(ctx, reads, atOnce)
	if err != nil {
		return connectors.Sight{}, err
	}
	for i, req := range reads {
		if err := c.client.stepError(req, answers[i]); err != nil {
			return connectors.Sight{}, err
		}
	}
	user, err := reads[0].readObject(answers[0].answer())
	if err != nil {
		return connectors.Sight{}, err
	}
	account, err := userOf(reads[0], user)
	if err != nil {
		return connectors.Sight{}, err
	}
	memberOf, err := c.pages(ctx, reads[1], answers[1], maxGroups)
	if err != nil {
		return connectors.Sight{}, err
	}
	grants, err := groupsAmong(reads[1], memberOf)
	if err != nil {
		return connectors.Sight{}, err
	}
	others, err := c.held(ctx, nativeID, func(kind string) bool { return kind != kindGroup })
	return connectors.Sight{Account: account, Grants: append(grants, others...)}, err
}

// separately reads the user, then the grants.
func (c *Connector) separately(ctx context.Context, nativeID string) (connectors.Sight, error) {
	account, err := c.GetAccount(ctx, nativeID)
	if err != nil {
		return connectors.Sight{}, err
	}
	grants, err := c.GrantsOf(ctx, nativeID)
	return connectors.Sight{Account: account, Grants: grants}, err
}

// pages reads a list that began in a batch to its end.
func (c *Connector) pages(ctx context.Context, req call, first batchAnswer, limit int) ([]object, error) {
	p, err := c.client.readPage(req, first.answer())
	if err != nil {
		return nil, err
	}
	return c.client.rest(ctx, req, p, limit)
}

// FindAnyAccounts looks among the users and among the deleted ones, in one HTTP request.
func (c *Connector) FindAnyAccounts(ctx context.Context, attribute, value string) (accounts, deleted []connectors.Account, err error) {
	live, err := c.lookUp(attribute, value)
	if err != nil {
		return nil, nil, err
	}
	gone, err := c.lookUpDeleted(attribute, value)
	if err != nil {
		return nil, nil, err
	}
	answers, err := c.client.batch(ctx, []call{live, gone}, atOnce)
	if err != nil {
		return nil, nil, err
	}
	for i, req := range []call{live, gone} {
		if err := c.client.stepError(req, answers[i]); err != nil {
			return nil, nil, err
		}
	}
	users, err := c.pages(ctx, live, answers[0], maxMatches)
	if err != nil {
		return nil, nil, err
	}
	if accounts, err = matching(live, users, attribute, value); err != nil {
		return nil, nil, err
	}
	if users, err = c.pages(ctx, gone, answers[1], maxMatches); err != nil {
		return nil, nil, err
	}
	deleted, err = matchingDeleted(gone, users, attribute, value)
	return accounts, deleted, err
}
