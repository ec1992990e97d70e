package policy

import (
	"slices"

	"github.com/tenurehq/tenure/internal/scim"
)

// Mode says who may bring people into being besides HR feeds, imports and administrators, which always may.
type Mode string

// The provisioning modes.
const (
	ModeDisabled Mode = "disabled" // nobody else
	ModeJIT      Mode = "jit"      // a sign-in that passes the checks
	ModeSCIM     Mode = "scim"     // the directory's SCIM client
)

// Inactive says what it means for the person that a User is active no more.
type Inactive string

// What it may mean. A User who is deleted has left in any case.
const (
	InactiveLeave          Inactive = "leave"
	InactiveImmediateLeave Inactive = "immediateLeave" // no tier waits for its turn
	InactiveSuspension     Inactive = "suspension"     // as a leave of absence
)

// Provisioning is how the organization's own directory may write.
type Provisioning struct {
	Mode Mode
	// Source is the name of the source that what SCIM clients write belongs to.
	Source string
	// RejectUnknown refuses SCIM requests with attributes that no schema has, instead of leaving these out.
	RejectUnknown bool
	// Inactive is what active: false means, for Users who become inactive while the policy is in force.
	Inactive Inactive
	// Users is the type of SCIM Users, with the organization's own extensions.
	Users scim.ResourceType
}

// The values of provisioning.scim.unknownAttributes.
const (
	unknownIgnore = "ignore"
	unknownReject = "reject"
)

const defaultScimSource = "scim"

type provisioningDoc struct {
	At   place    `json:"-"`
	Mode text     `json:"mode"`
	SCIM *scimDoc `json:"scim,omitempty"`
}

type scimDoc struct {
	At                place       `json:"-"`
	Source            text        `json:"source"`
	UnknownAttributes text        `json:"unknownAttributes"`
	Inactive          text        `json:"inactive"`
	Schemas           []schemaDoc `json:"schemas,omitempty"`
}

// schemaDoc is an extension of the User schema (RFC 7643, section 3.3).
type schemaDoc struct {
	item

	ID          text           `json:"id"`
	Description text           `json:"description,omitzero"`
	Attributes  []attributeDoc `json:"attributes"`
}

// attributeDoc is an attribute's definition (RFC 7643, section 7); what is left out is as section 2.2 says.
type attributeDoc struct {
	item

	Type            text              `json:"type,omitzero"`
	Description     text              `json:"description,omitzero"`
	MultiValued     flag              `json:"multiValued,omitzero"`
	Required        flag              `json:"required,omitzero"`
	CaseExact       flag              `json:"caseExact,omitzero"`
	Mutability      text              `json:"mutability,omitzero"`
	Returned        text              `json:"returned,omitzero"`
	CanonicalValues []text            `json:"canonicalValues,omitempty"`
	SubAttributes   []subAttributeDoc `json:"subAttributes,omitempty"`
}

// subAttributeDoc is an attributeDoc without sub-attributes: they nest no deeper (RFC 7643, section 2.3.8).
type subAttributeDoc struct {
	item

	Type            text   `json:"type,omitzero"`
	Description     text   `json:"description,omitzero"`
	Required        flag   `json:"required,omitzero"`
	CaseExact       flag   `json:"caseExact,omitzero"`
	Mutability      text   `json:"mutability,omitzero"`
	Returned        text   `json:"returned,omitzero"`
	CanonicalValues []text `json:"canonicalValues,omitempty"`
}

func (p *provisioningDoc) settle() {
	p.Mode.orElse(string(ModeDisabled))
	if p.SCIM != nil {
		p.SCIM.Source.orElse(defaultScimSource)
		p.SCIM.UnknownAttributes.orElse(unknownIgnore)
		p.SCIM.Inactive.orElse(string(InactiveLeave))
	}
}

// Provisioning is how the organization's directory may write.
func (p *Policy) Provisioning() Provisioning { return p.provisioning }

func (b *builder) provisioning() {
	b.policy.provisioning = Provisioning{Mode: ModeDisabled, Source: defaultScimSource, Inactive: InactiveLeave, Users: scim.UserType()}
	doc := b.doc.Provisioning
	if doc == nil {
		return
	}
	b.oneOf(doc.Mode, "provisioning.mode", string(ModeDisabled), string(ModeJIT), string(ModeSCIM))
	b.policy.provisioning.Mode = Mode(doc.Mode.v)
	source := scalar[string]{v: defaultScimSource, at: doc.At}
	if doc.SCIM != nil {
		b.oneOf(doc.SCIM.UnknownAttributes, "provisioning.scim.unknownAttributes", unknownIgnore, unknownReject)
		b.policy.provisioning.RejectUnknown = doc.SCIM.UnknownAttributes.v == unknownReject
		b.oneOf(doc.SCIM.Inactive, "provisioning.scim.inactive", string(InactiveLeave), string(InactiveImmediateLeave), string(InactiveSuspension))
		b.policy.provisioning.Inactive = Inactive(doc.SCIM.Inactive.v)
		b.policy.provisioning.Source = doc.SCIM.Source.v
		b.policy.provisioning.Users = b.scimUsers(doc.SCIM.Schemas)
		if source = doc.SCIM.Source.scalar; source.at == (place{}) {
			source.at = doc.SCIM.At
		}
	}
	if Mode(doc.Mode.v) != ModeSCIM || len(b.doc.Sources) == 0 || source.v == "" {
		return
	}
	if !slices.ContainsFunc(b.doc.Sources, func(s sourceDoc) bool { return s.Name.v == source.v }) {
		b.addf(source.at, "provisioning.scim.source", "no source is called %q; declare it under sources", source.v)
	}
}

// scimUsers is the type of Users with the extensions that are right.
func (b *builder) scimUsers(docs []schemaDoc) scim.ResourceType {
	var extensions []scim.Schema
	seen := map[string]bool{}
	checkNames(b, "provisioning.scim.schemas", docs)
	for _, doc := range docs {
		path := "provisioning.scim.schemas[" + doc.Name.v + "]"
		if !doc.ID.set {
			b.addf(doc.At, path+".id", "is missing; give the schema a URN such as urn:ietf:params:scim:schemas:extension:acme:2.0:User")
			continue
		}
		schema, err := scim.NewExtension(scim.Schema{ID: doc.ID.v, Name: doc.Name.v, Description: doc.Description.v, Attributes: definitions(doc.Attributes)})
		switch key := scim.Fold(doc.ID.v); {
		case err != nil:
			b.addf(doc.ID.at, path, "%v", err)
		case seen[key]:
			b.addf(doc.ID.at, path+".id", "%q is defined twice", doc.ID.v)
		default:
			seen[key] = true
			extensions = append(extensions, schema)
		}
	}
	return scim.UserType(extensions...)
}

func definitions(docs []attributeDoc) []scim.Attribute {
	list := make([]scim.Attribute, len(docs))
	for i, d := range docs {
		list[i] = scim.Attribute{Name: d.Name.v, Type: scim.Type(d.Type.v), Description: d.Description.v, MultiValued: d.MultiValued.v,
			Required: d.Required.v, CaseExact: d.CaseExact.v, Mutability: d.Mutability.v, Returned: d.Returned.v,
			CanonicalValues: texts(d.CanonicalValues)}
		for _, s := range d.SubAttributes {
			list[i].SubAttributes = append(list[i].SubAttributes, scim.Attribute{Name: s.Name.v, Type: scim.Type(s.Type.v),
				Description: s.Description.v, Required: s.Required.v, CaseExact: s.CaseExact.v, Mutability: s.Mutability.v,
				Returned: s.Returned.v, CanonicalValues: texts(s.CanonicalValues)})
		}
	}
	return list
}

func texts(list []text) []string {
	var plain []string
	for _, t := range list {
		plain = append(plain, t.v)
	}
	return plain
}
