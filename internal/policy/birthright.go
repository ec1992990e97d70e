package policy

// birthrightDoc gives accounts and roles to everyone for whom its condition holds.
type birthrightDoc struct {
	item

	When     formula `json:"when"`
	Accounts []text  `json:"accounts,omitempty"`
	Roles    []text  `json:"roles,omitempty"`
}

// rule is a birthright rule, compiled.
type rule struct {
	when  *expression
	gives []award
}

// award is what a rule gives in one target for one reason: the account, and the entitlements of a role.
type award struct {
	target       int
	entitlements []Entitlement
	reason       Reason
}

func (b *builder) birthright(roles map[string]role) {
	checkNames(b, "birthright", b.doc.Birthright)
	for _, doc := range b.doc.Birthright {
		path := "birthright[" + doc.Name.v + "]"
		var r rule
		if !doc.When.set {
			b.addf(doc.At, path+".when", "is missing; write true for a rule that holds for everyone")
		} else {
			r.when = b.condition(b.env.full, doc.When, path+".when")
		}
		if len(doc.Accounts) == 0 && len(doc.Roles) == 0 {
			b.addf(doc.At, path, "gives nothing; list accounts or roles")
		}
		r.gives = append(b.accounts(doc, path+".accounts"), b.assigned(doc, path+".roles", roles)...)
		b.policy.rules = append(b.policy.rules, r)
	}
}

// accounts are the awards of the targets that the rule names itself.
func (b *builder) accounts(doc birthrightDoc, path string) []award {
	var awards []award
	seen := map[string]bool{}
	for _, name := range doc.Accounts {
		target, ok := b.targetIndex(name.v)
		switch {
		case !ok:
			b.addf(name.at, path, "no target is called %q", name.v)
		case seen[name.v]:
			b.addf(name.at, path, "%q is listed twice", name.v)
		}
		seen[name.v] = true
		awards = append(awards, award{target: target, reason: Reason{Rule: doc.Name.v}})
	}
	return awards
}

// assigned are the awards of the rule's roles.
func (b *builder) assigned(doc birthrightDoc, path string, roles map[string]role) []award {
	var awards []award
	seen := map[string]bool{}
	for _, name := range doc.Roles {
		parts, ok := roles[name.v]
		switch {
		case !ok:
			b.addf(name.at, path, "no role is called %q", name.v)
		case seen[name.v]:
			b.addf(name.at, path, "%q is listed twice", name.v)
		}
		seen[name.v] = true
		for _, part := range parts {
			awards = append(awards, award{
				target:       part.target,
				entitlements: part.entitlements,
				reason:       Reason{Rule: doc.Name.v, Role: part.path},
			})
		}
	}
	return awards
}
