package scim

import (
	"slices"
	"strings"
	"sync"
)

// ResourceType is a kind of resource with its schemas (RFC 7643, section 6). It is made by UserType or GroupType only; it
// is read-only afterwards and good for many goroutines.
type ResourceType struct {
	Name        string // "User"
	Endpoint    string // "/Users"
	Description string
	Schema      Schema
	Extensions  []Schema // none is required

	index *index
}

// UserType is the type of Users with the enterprise extension and the custom ones, each of which NewExtension made; the
// caller sees to it that no two have the same URN. Keep the result: making it costs more than a request.
func UserType(custom ...Schema) ResourceType {
	if len(custom) == 0 {
		return plainUserType()
	}
	return newUserType(custom)
}

var plainUserType = sync.OnceValue(func() ResourceType { return newUserType(nil) })

func newUserType(custom []Schema) ResourceType {
	t := ResourceType{
		Name: "User", Endpoint: "/Users", Description: "User Account",
		Schema:     userSchema(),
		Extensions: append([]Schema{enterpriseSchema()}, custom...),
	}
	t.index = newIndex(&t)
	return t
}

// GroupType is the type of Groups.
func GroupType() ResourceType { return groupType() }

var groupType = sync.OnceValue(func() ResourceType {
	t := ResourceType{Name: "Group", Endpoint: "/Groups", Description: "Group", Schema: groupSchema()}
	t.index = newIndex(&t)
	return t
})

// attr is an attribute as requests look it up.
type attr struct {
	*Attribute

	subs map[string]*Attribute // by name, as spelled and in lower case

	// element is what "value" means in a value filter on a multi-valued attribute of a simple type.
	element *Attribute

	// closed says that values other than the canonical ones are refused: those of an organization's own extension. The
	// core schemas' are suggestions (RFC 7643, section 7), and clients send others.
	closed bool
}

func (a *attr) sub(name string) *Attribute {
	if s, ok := a.subs[name]; ok {
		return s
	}
	return a.subs[strings.ToLower(name)]
}

// table finds attributes by name, as spelled and in lower case.
type table map[string]*attr

func (t table) find(name string) *attr {
	if a, ok := t[name]; ok {
		return a
	}
	return t[strings.ToLower(name)]
}

// extension is a schema beside the core one.
type extension struct {
	urn   string
	attrs table

	required []*attr // required themselves or with a required sub-attribute
}

// index finds what the names in requests mean.
type index struct {
	core         table    // with the common attributes
	coreURNs     []string // the core schema's URN and its aliases
	requiredCore []*attr
	extensions   []*extension
	immutable    []location // attributes, not sub-attributes
	writeOnly    []location // the same
	plain        bool       // no attribute has to be held back when a whole resource is returned
}

func newIndex(t *ResourceType) *index {
	x := &index{core: table{}, coreURNs: []string{t.Schema.ID}, plain: true}
	switch t.Schema.ID {
	case UserSchema:
		x.coreURNs = append(x.coreURNs, microsoftUserSchema)
	case GroupSchema:
		x.coreURNs = append(x.coreURNs, microsoftGroupSchema)
	}
	x.core.add(commonAttributes(), false)
	x.requiredCore = withRequired(x.core.add(t.Schema.Attributes, false))
	for i := range t.Extensions {
		s := &t.Extensions[i]
		e := &extension{urn: s.ID, attrs: table{}}
		list := e.attrs.add(s.Attributes, s.ID != EnterpriseSchema)
		e.required = withRequired(list)
		x.extensions = append(x.extensions, e)
		for _, a := range list {
			x.plain = x.plain && alwaysShown(a.Attribute)
			switch a.Mutability {
			case Immutable:
				x.immutable = append(x.immutable, location{ext: e, attr: a})
			case WriteOnly:
				x.writeOnly = append(x.writeOnly, location{ext: e, attr: a})
			}
		}
	}
	return x
}

// withRequired are the attributes that are required or have a required sub-attribute.
func withRequired(list []*attr) []*attr {
	var required []*attr
	for _, a := range list {
		if a.Required || slices.ContainsFunc(a.SubAttributes, func(s Attribute) bool { return s.Required }) {
			required = append(required, a)
		}
	}
	return required
}

// alwaysShown says whether a stored value of the attribute, with all its parts, is part of every full representation.
func alwaysShown(a *Attribute) bool {
	if a.Returned == ReturnedNever || a.Returned == ReturnedRequest {
		return false
	}
	for i := range a.SubAttributes {
		if !alwaysShown(&a.SubAttributes[i]) {
			return false
		}
	}
	return true
}

// add makes the attributes known by their names.
func (t table) add(attributes []Attribute, closed bool) []*attr {
	list := make([]*attr, len(attributes))
	for i := range attributes {
		a := &attr{Attribute: &attributes[i], closed: closed}
		if a.Type == TypeComplex {
			a.subs = make(map[string]*Attribute, 2*len(a.SubAttributes))
			for j := range a.SubAttributes {
				s := &a.SubAttributes[j]
				a.subs[s.Name], a.subs[strings.ToLower(s.Name)] = s, s
			}
		} else if a.MultiValued {
			element := *a.Attribute
			element.Name, element.MultiValued = "value", false
			a.element = &element
		}
		t[a.Name], t[strings.ToLower(a.Name)] = a, a
		list[i] = a
	}
	return list
}

// isCore says whether a URN names the core schema.
func (x *index) isCore(urn string) bool {
	for _, core := range x.coreURNs {
		if equalName(core, urn) {
			return true
		}
	}
	return false
}

// extension is the one that the URN names, in any case, or nil.
func (x *index) extension(urn string) *extension {
	for _, e := range x.extensions {
		if equalName(e.urn, urn) {
			return e
		}
	}
	return nil
}

// location is where a path without a value filter leads.
type location struct {
	ext  *extension // nil for the core schema
	attr *attr      // nil for a schema as a whole
	sub  *Attribute
}

// resolve finds what [URN ":"] attribute ["." sub-attribute] means; false when the schemas know no such attribute. A URN
// alone leads to its schema as a whole. A dot behind the URN, which Microsoft's inbound provisioning sends, is read as the colon.
func (x *index) resolve(text string) (location, bool) {
	attrs, rest := x.core, text
	var at location
	if strings.IndexByte(text, ':') >= 0 {
		var ok bool
		if at.ext, rest, ok = x.splitURN(text); !ok {
			return at, false
		}
		if rest == "" {
			return at, true
		}
		if at.ext != nil {
			attrs = at.ext.attrs
		}
	}
	name, subName, dotted := strings.Cut(rest, ".")
	if at.attr = attrs.find(name); at.attr == nil {
		return at, false
	}
	if dotted {
		if at.sub = at.attr.sub(subName); at.sub == nil {
			return at, false
		}
	}
	return at, true
}

// splitURN takes the longest URN of a schema off a path. URNs have dots and colons of their own, so that only the list of
// the known ones tells where one ends.
func (x *index) splitURN(text string) (ext *extension, rest string, ok bool) {
	longest := -1
	try := func(urn string, e *extension) {
		n := len(urn)
		if n <= longest || len(text) < n || !equalName(text[:n], urn) {
			return
		}
		switch {
		case len(text) == n:
			ext, rest, ok, longest = e, "", true, n
		case (text[n] == ':' || text[n] == '.') && len(text) > n+1:
			ext, rest, ok, longest = e, text[n+1:], true, n
		}
	}
	for _, urn := range x.coreURNs {
		try(urn, nil)
	}
	for _, e := range x.extensions {
		try(e.urn, e)
	}
	return ext, rest, ok
}

func (l location) schema() string {
	if l.ext == nil {
		return ""
	}
	return l.ext.urn
}

// path is the location as callers see it.
func (l location) path() Path {
	p := Path{Schema: l.schema(), Sub: l.sub}
	if l.attr != nil {
		p.Attribute = l.attr.Attribute
	}
	return p
}
