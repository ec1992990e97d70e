package scim

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/scim"
	"github.com/tenurehq/tenure/internal/store"
)

// users are the Users of an organization.
type users struct{}

func (users) path() string { return "/Users" }

func (users) typeOf(rules policy.Provisioning) scim.ResourceType { return rules.Users }

func (k users) get(ctx context.Context, c call, id uuid.UUID, v view) (result, error) {
	rules, projection, err := c.see(ctx, k, v)
	if err != nil {
		return result{}, err
	}
	u, err := c.service.Store().ScimUser(ctx, c.org, id, projection.Needs("groups"))
	if err != nil {
		return result{}, err
	}
	body, err := appendUser(nil, rules.Users, projection, c.base, &u)
	return result{u.ID, u.Version, http.StatusOK, body}, err
}

// see reads the organization's rules, and what the client wants to see by them.
func (c call) see(ctx context.Context, k kind, v view) (policy.Provisioning, scim.Projection, error) {
	rules, err := c.rules.of(ctx, c.org)
	if err != nil {
		return rules, scim.Projection{}, err
	}
	projection, err := v.of(k.typeOf(rules))
	return rules, projection, err
}

func (c call) options(rules policy.Provisioning) scim.Options {
	return scim.Options{Dialect: c.dialect, RejectUnknown: rules.RejectUnknown}
}

func (k users) create(ctx context.Context, c call, body []byte, v view) (result, error) {
	rules, projection, err := c.see(ctx, k, v)
	if err != nil {
		return result{}, err
	}
	said := readBefore(rules, func(rules policy.Provisioning) (scim.Input, error) {
		return scim.Decode(rules.Users, body, c.options(rules))
	})
	u, err := c.service.CreateDirectoryUser(ctx, c.org, c.caller(ctx), func(rules policy.Provisioning) (lifecycle.DirectoryUserEdit, error) {
		in, err := said.by(rules)
		return lifecycle.DirectoryUserEdit{Resource: c.knownManager(in.Resource), Changed: true, Unknown: in.Unknown}, err
	})
	if err != nil {
		return result{}, err
	}
	return written(c, http.StatusCreated, u, said.rules, projection, v)
}

func (k users) replace(ctx context.Context, c call, in edit) (result, error) {
	return changeUser(ctx, c, k, in, func(rules policy.Provisioning) (userChange, error) {
		input, err := scim.Decode(rules.Users, in.body, c.options(rules))
		return userChange{input.Over, input.Unknown}, err
	})
}

func (k users) patch(ctx context.Context, c call, in edit) (result, error) {
	return changeUser(ctx, c, k, in, func(rules policy.Provisioning) (userChange, error) {
		p, err := scim.DecodePatch(rules.Users, in.body, c.options(rules))
		if err != nil {
			return userChange{}, err
		}
		return userChange{p.Apply, p.Unknown}, nil
	})
}

func (k users) complete(ctx context.Context, c call, in edit, was []byte) (result, error) {
	without := c
	without.partial = true
	return changeUser(ctx, c, k, in, func(rules policy.Provisioning) (userChange, error) {
		made, err := scim.Decode(rules.Users, was, c.options(rules))
		if err != nil {
			return userChange{}, err
		}
		full, err := scim.Decode(rules.Users, in.body, c.options(rules))
		return userChange{func(stored scim.Resource) (scim.Resource, bool, error) {
			next, changed := scim.Complete(stored, without.knownManager(made.Resource), full.Resource)
			return next, changed, nil
		}, nil}, err
	})
}

// userChange is what a body makes of a User.
type userChange struct {
	apply   func(stored scim.Resource) (scim.Resource, bool, error)
	unknown []string
}

// changeUser changes one User.
func changeUser(ctx context.Context, c call, k users, in edit, read func(policy.Provisioning) (userChange, error)) (result, error) {
	rules, projection, err := c.see(ctx, k, in.view)
	if err != nil {
		return result{}, err
	}
	said := readBefore(rules, read)
	checked := func(rules policy.Provisioning, stored store.ScimUser) (lifecycle.DirectoryUserEdit, error) {
		if err := in.when.allows(stored.Version); err != nil {
			return lifecycle.DirectoryUserEdit{}, err
		}
		change, err := said.by(rules)
		if err != nil {
			return lifecycle.DirectoryUserEdit{}, err
		}
		before, err := rules.Users.Load(stored.Resource)
		if err != nil {
			return lifecycle.DirectoryUserEdit{}, err
		}
		after, changed, err := change.apply(before)
		return lifecycle.DirectoryUserEdit{Resource: after, Changed: changed, Unknown: change.unknown}, err
	}
	withGroups := !in.view.none && projection.Needs("groups")
	u, err := c.service.ChangeDirectoryUser(ctx, c.org, c.caller(ctx), in.id, withGroups, checked)
	if err != nil {
		return result{}, err
	}
	return written(c, http.StatusOK, u, said.rules, projection, in.view)
}

// written shows a User after a write.
func written(c call, status int, u lifecycle.DirectoryUser, rules policy.Provisioning, projection scim.Projection, v view) (result, error) {
	made := result{id: u.ID, version: u.Version, status: status}
	if v.none {
		return made, nil
	}
	body, err := appendUser(nil, rules.Users, projection, c.base, u.ScimUser)
	made.body = body
	return made, err
}

func (users) remove(ctx context.Context, c call, id uuid.UUID, when condition) error {
	return c.service.DeleteDirectoryUser(ctx, c.org, c.caller(ctx), id, func(u store.ScimUser) error { return when.allows(u.Version) })
}

func (k users) list(ctx context.Context, c call, q query) (page, error) {
	rules, projection, err := c.see(ctx, k, q.view)
	if err != nil {
		return page{}, err
	}
	asked, err := q.of(rules.Users, c.base)
	if err != nil {
		return page{}, err
	}
	asked.Related = projection.Needs("groups")
	found, err := c.service.Store().ScimUsers(ctx, c.org, asked)
	if err != nil {
		return page{}, err
	}
	return pageOf(found, func(dst []byte, u *store.ScimUser) ([]byte, error) {
		return appendUser(dst, rules.Users, projection, c.base, u)
	})
}
