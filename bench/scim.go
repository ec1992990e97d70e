package main

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/api/access"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
)

// scimResults are what was measured of the SCIM server.
type scimResults struct {
	users   int
	rates   []*scimRate
	lookups []*scimLookup
	pages   scimPages
	groups  scimGroups
}

// directory is an organization in mode scim that is full of people, and a client of it with writers connections.
type directory struct {
	*product

	client *scimClient
	users  []uuid.UUID // the Users who were there at the start, by their number less one
	teams  []uuid.UUID // Groups of teamSize of them
}

const (
	teamSize    = 10
	partInLarge = 10 // the large Group has one of so many Users
)

// measureScim measures the SCIM server of a product that no worker runs beside: what is accepted waits in the outbox, as
// while Temporal is down.
func measureScim(ctx context.Context, o options, p *product) (*scimResults, error) {
	d, err := openDirectory(ctx, o, p)
	if err != nil {
		return nil, err
	}
	defer d.client.close()
	r := &scimResults{users: o.users}
	if r.rates, err = d.measureRates(ctx, o); err != nil {
		return nil, err
	}
	if r.lookups, err = d.measureLookups(ctx, o); err != nil {
		return nil, err
	}
	if r.pages, err = d.measurePages(ctx, o); err != nil {
		return nil, err
	}
	r.groups, err = d.measureGroups(ctx, o)
	return r, err
}

// openDirectory lets SCIM clients write into the product's organization, and fills it.
func openDirectory(ctx context.Context, o options, p *product) (*directory, error) {
	text := p.targets.policyText(p.org, "person.title") + "provisioning: {mode: scim}\n"
	parsed, err := policy.Parse(policy.File{Name: "scim.yaml", Data: []byte(text)})
	if err != nil {
		return nil, err
	}
	_, version, err := p.service.PolicyInForce(ctx, p.org)
	if err != nil {
		return nil, err
	}
	if _, err := p.service.ApplyPolicy(ctx, p.org, lifecycle.Caller{Actor: "bench"}, parsed, version); err != nil {
		return nil, err
	}
	token, _, err := p.service.Store().CreateToken(ctx, p.org, "bench", []string{string(access.ScopeSCIM)}, time.Now().Add(24*time.Hour))
	if err != nil {
		return nil, err
	}
	d := &directory{product: p}
	if d.client, err = newScimClient(p.url, token); err != nil {
		return nil, err
	}
	if err := d.fill(ctx, o.users); err != nil {
		d.client.close()
		return nil, err
	}
	return d, nil
}
