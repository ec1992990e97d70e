package policy

import "slices"

// Entitlement is something that accounts can hold in a target, by the name that policy uses.
type Entitlement struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

type entitlementDoc struct {
	At   place `json:"-"`
	Kind text  `json:"kind"`
	Name text  `json:"name"`
}

func (e *entitlementDoc) settle() { e.Kind.orElse("group") }

const (
	kindBusiness  = "business"
	kindTechnical = "technical"
)

// roleDoc is a technical role, which gives entitlements in one target, or a business role, which gathers technical ones.
type roleDoc struct {
	item

	Kind         text             `json:"kind"`
	Includes     []text           `json:"includes,omitempty"`
	Target       text             `json:"target,omitzero"`
	Entitlements []entitlementDoc `json:"entitlements,omitempty"`
}

func (r *roleDoc) settle() {
	for i := range r.Entitlements {
		r.Entitlements[i].settle()
	}
}

// role is a role resolved: each technical role that it comes down to, with the path that leads there.
type role []rolePart

type rolePart struct {
	path         string // "sales → crm-user", or the technical role's name alone
	target       int    // index into Policy.targets
	entitlements []Entitlement
}

// roles resolves all roles. A role with problems may be left out of the answer; the problems are noted.
func (b *builder) roles() map[string]role {
	checkNames(b, "roles", b.doc.Roles)
	roles := map[string]role{}
	for _, doc := range b.doc.Roles {
		roles[doc.Name.v] = nil // a role with problems exists all the same: a rule may name it
	}
	for _, doc := range b.doc.Roles {
		if doc.Kind.v == kindTechnical {
			roles[doc.Name.v] = b.technicalRole(doc)
		}
	}
	for _, doc := range b.doc.Roles {
		path := "roles[" + doc.Name.v + "]"
		switch {
		case doc.Kind.v == kindTechnical:
		case doc.Kind.v == kindBusiness:
			roles[doc.Name.v] = b.businessRole(doc, roles)
		case !doc.Kind.set:
			b.addf(doc.At, path+".kind", "is missing; it must be business or technical")
		default:
			b.oneOf(doc.Kind, path+".kind", kindBusiness, kindTechnical)
		}
	}
	return roles
}

func (b *builder) technicalRole(doc roleDoc) role {
	path := "roles[" + doc.Name.v + "]"
	if len(doc.Includes) > 0 {
		b.addf(doc.Includes[0].at, path+".includes", "a technical role includes nothing; make it a business role or remove the key")
	}
	if !doc.Target.set {
		b.addf(doc.At, path+".target", "is missing; a technical role gives entitlements in one target")
		return nil
	}
	target, ok := b.targetIndex(doc.Target.v)
	if doc.Target.v == "" {
		return nil
	}
	if !ok {
		b.addf(doc.Target.at, path+".target", "no target is called %q", doc.Target.v)
		return nil
	}
	if len(doc.Entitlements) == 0 {
		b.addf(doc.At, path+".entitlements", "must list at least one entitlement")
	}
	part := rolePart{path: doc.Name.v, target: target}
	for _, e := range doc.Entitlements {
		entitlement := Entitlement{Kind: e.Kind.v, Name: e.Name.v}
		switch {
		case !e.Name.set:
			b.addf(e.At, path+".entitlements", "an entitlement without a name")
			continue
		case !slices.Contains(b.policy.targets[target].Entitlements, entitlement):
			b.addf(e.Name.at, path+".entitlements", "target %s declares no %s %q; add it to the target's entitlements",
				doc.Target.v, entitlement.Kind, entitlement.Name)
		case slices.Contains(part.entitlements, entitlement):
			b.addf(e.Name.at, path+".entitlements", "%s %q is listed twice", entitlement.Kind, entitlement.Name)
		}
		part.entitlements = append(part.entitlements, entitlement)
	}
	return role{part}
}

func (b *builder) businessRole(doc roleDoc, technical map[string]role) role {
	path := "roles[" + doc.Name.v + "]"
	if doc.Target.set || len(doc.Entitlements) > 0 {
		b.addf(doc.At, path, "a business role has no target and no entitlements of its own; it includes technical roles")
	}
	if len(doc.Includes) == 0 {
		b.addf(doc.At, path+".includes", "must list at least one technical role")
	}
	var whole role
	seen := map[string]bool{}
	for _, name := range doc.Includes {
		i := slices.IndexFunc(b.doc.Roles, func(r roleDoc) bool { return r.Name.v == name.v })
		switch {
		case i < 0:
			b.addf(name.at, path+".includes", "no role is called %q", name.v)
		case b.doc.Roles[i].Kind.v == kindBusiness:
			b.addf(name.at, path+".includes", "%q is a business role; a business role includes technical roles only", name.v)
		case seen[name.v]:
			b.addf(name.at, path+".includes", "%q is listed twice", name.v)
		default:
			for _, part := range technical[name.v] {
				part.path = doc.Name.v + " → " + part.path
				whole = append(whole, part)
			}
		}
		seen[name.v] = true
	}
	return whole
}
