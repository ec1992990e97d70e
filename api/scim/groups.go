package scim

import (
	"context"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/scim"
	"github.com/tenurehq/tenure/internal/store"
)

// groups are the Groups of an organization.
type groups struct{}

func (groups) path() string { return "/Groups" }

func (groups) typeOf(policy.Provisioning) scim.ResourceType { return scim.GroupType() }

func (k groups) get(ctx context.Context, c call, id uuid.UUID, v view) (result, error) {
	projection, err := v.of(scim.GroupType())
	if err != nil {
		return result{}, err
	}
	return k.read(ctx, c, id, http.StatusOK, projection)
}

// read shows a Group, with its members where they are wanted.
func (groups) read(ctx context.Context, c call, id uuid.UUID, status int, projection scim.Projection) (result, error) {
	g, err := c.service.Store().ScimGroup(ctx, c.org, id, projection.Needs("members"))
	if err != nil {
		return result{}, err
	}
	body, err := appendGroup(nil, projection, c.base, &g)
	return result{g.ID, g.Version, status, body}, err
}

func (k groups) create(ctx context.Context, c call, body []byte, v view) (result, error) {
	rules, projection, err := c.see(ctx, k, v)
	if err != nil {
		return result{}, err
	}
	said := readBefore(rules, func(rules policy.Provisioning) (scim.Input, error) {
		return scim.Decode(scim.GroupType(), body, c.options(rules))
	})
	g, err := c.service.CreateDirectoryGroup(ctx, c.org, c.caller(ctx), func(rules policy.Provisioning) (lifecycle.DirectoryGroupEdit, error) {
		in, err := said.by(rules)
		edit := lifecycle.DirectoryGroupEdit{Resource: in.Resource, Changed: true, Unknown: in.Unknown}
		if members := c.known(in.Members); len(members) > 0 {
			edit.Members = []scim.MemberOperation{{Op: scim.AddMembers, Members: members}}
		}
		return edit, err
	})
	if err != nil {
		return result{}, err
	}
	return k.written(ctx, c, http.StatusCreated, g, projection, v)
}

// replace leaves the members alone when the body does not have the attribute: RFC 7644, section 3.5.1, lets an attribute that
// is missing count as not spoken of, and a client that renames a group means nobody to lose it.
func (k groups) replace(ctx context.Context, c call, in edit) (result, error) {
	rules, projection, err := c.see(ctx, k, in.view)
	if err != nil {
		return result{}, err
	}
	said := readBefore(rules, func(rules policy.Provisioning) (scim.Input, error) {
		return scim.Decode(scim.GroupType(), in.body, c.options(rules))
	})
	g, err := c.changeGroup(ctx, in, func(rules policy.Provisioning, stored store.ScimGroup) (lifecycle.DirectoryGroupEdit, error) {
		input, err := said.by(rules)
		if err != nil {
			return lifecycle.DirectoryGroupEdit{}, err
		}
		edit, err := applied(stored, input.Over)
		edit.Unknown = input.Unknown
		if input.HasMembers {
			edit.Members = []scim.MemberOperation{{Op: scim.ReplaceMembers, Members: input.Members}}
		}
		return edit, err
	})
	if err != nil {
		return result{}, err
	}
	return k.written(ctx, c, http.StatusOK, g, projection, in.view)
}

// wholeGroup is how many members a Group has at most that a PATCH shows without being asked.
const wholeGroup = 100

// patch is answered with 204 for Entra ID, which wants it so, and for a Group that is large: RFC 7644, section 3.5.2, leaves
// it to the server unless the client says what it wants to see.
func (k groups) patch(ctx context.Context, c call, in edit) (result, error) {
	rules, projection, err := c.see(ctx, k, in.view)
	if err != nil {
		return result{}, err
	}
	said := readBefore(rules, func(rules policy.Provisioning) (*scim.Patch, error) {
		return scim.DecodePatch(scim.GroupType(), in.body, c.options(rules))
	})
	g, err := c.changeGroup(ctx, in, func(rules policy.Provisioning, stored store.ScimGroup) (lifecycle.DirectoryGroupEdit, error) {
		p, err := said.by(rules)
		if err != nil {
			return lifecycle.DirectoryGroupEdit{}, err
		}
		var edit lifecycle.DirectoryGroupEdit
		if p.TouchesAttributes() {
			edit, err = applied(stored, p.Apply)
		}
		edit.Members, edit.Unknown, edit.BaseURL = p.Members, p.Unknown, c.base
		return edit, err
	})
	if err != nil {
		return result{}, err
	}
	if !in.view.asked() && (said.value.Dialect == scim.Entra || g.MemberCount > wholeGroup) {
		return result{id: g.ID, version: g.Version, status: http.StatusNoContent}, nil
	}
	return k.written(ctx, c, http.StatusOK, g, projection, in.view)
}

func (k groups) complete(ctx context.Context, c call, in edit, was []byte) (result, error) {
	g, err := c.changeGroup(ctx, in, func(rules policy.Provisioning, stored store.ScimGroup) (lifecycle.DirectoryGroupEdit, error) {
		made, err := scim.Decode(scim.GroupType(), was, c.options(rules))
		if err != nil {
			return lifecycle.DirectoryGroupEdit{}, err
		}
		full, err := scim.Decode(scim.GroupType(), in.body, c.options(rules))
		if err != nil {
			return lifecycle.DirectoryGroupEdit{}, err
		}
		edit, err := applied(stored, func(stored scim.Resource) (scim.Resource, bool, error) {
			next, changed := scim.Complete(stored, made.Resource, full.Resource)
			return next, changed, nil
		})
		had := map[string]bool{}
		for _, m := range made.Members {
			had[m.Value] = true
		}
		missing := slices.DeleteFunc(full.Members, func(m scim.Member) bool { return had[m.Value] })
		edit.Members = []scim.MemberOperation{{Op: scim.AddMembers, Members: missing}}
		return edit, err
	})
	return result{id: g.ID, version: g.Version, status: http.StatusOK}, err
}

// changeGroup changes one Group on its condition.
func (c call) changeGroup(ctx context.Context, in edit,
	do func(policy.Provisioning, store.ScimGroup) (lifecycle.DirectoryGroupEdit, error),
) (lifecycle.DirectoryGroup, error) {
	checked := func(rules policy.Provisioning, stored store.ScimGroup) (lifecycle.DirectoryGroupEdit, error) {
		if err := in.when.allows(stored.Version); err != nil {
			return lifecycle.DirectoryGroupEdit{}, err
		}
		return do(rules, stored)
	}
	return c.service.ChangeDirectoryGroup(ctx, c.org, c.caller(ctx), in.id, checked)
}

func applied(stored store.ScimGroup, apply func(scim.Resource) (scim.Resource, bool, error)) (lifecycle.DirectoryGroupEdit, error) {
	before, err := scim.GroupType().Load(stored.Resource)
	if err != nil {
		return lifecycle.DirectoryGroupEdit{}, err
	}
	after, changed, err := apply(before)
	return lifecycle.DirectoryGroupEdit{Resource: after, Changed: changed}, err
}

// written shows a Group after a write: with its members, as they are by then.
func (k groups) written(ctx context.Context, c call, status int, g lifecycle.DirectoryGroup, projection scim.Projection, v view) (result, error) {
	made := result{id: g.ID, version: g.Version, status: status}
	if v.none {
		return made, nil
	}
	if g.MemberCount > 0 && projection.Needs("members") {
		read, err := k.read(ctx, c, g.ID, status, projection)
		if identity.ErrorCode(err) != identity.NotFound {
			return read, err
		}
	}
	body, err := appendGroup(nil, projection, c.base, &g.ScimGroup)
	made.body = body
	return made, err
}

func (groups) remove(ctx context.Context, c call, id uuid.UUID, when condition) error {
	return c.service.DeleteDirectoryGroup(ctx, c.org, c.caller(ctx), id, func(g store.ScimGroup) error { return when.allows(g.Version) })
}

func (k groups) list(ctx context.Context, c call, q query) (page, error) {
	projection, err := q.view.of(scim.GroupType())
	if err != nil {
		return page{}, err
	}
	asked, err := q.of(scim.GroupType(), c.base)
	if err != nil {
		return page{}, err
	}
	asked.Related = projection.Needs("members")
	found, err := c.service.Store().ScimGroups(ctx, c.org, asked)
	if err != nil {
		return page{}, err
	}
	return pageOf(found, func(dst []byte, g *store.ScimGroup) ([]byte, error) {
		return appendGroup(dst, projection, c.base, g)
	})
}
