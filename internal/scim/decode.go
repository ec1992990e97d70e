package scim

import (
	"slices"
	"strings"
)

// Options says how a request is read.
type Options struct {
	// Dialect is the client's; empty to recognise it by the content of a PATCH (anything else is the same for all).
	Dialect Dialect

	// RejectUnknown refuses attributes that no schema has, with invalidSyntax. Else they are left out and reported.
	RejectUnknown bool
}

// Input is the resource in the body of a POST or PUT.
type Input struct {
	// Resource has what the client assigned. Read-only attributes and the password are left out.
	Resource Resource

	// Members are those of a Group, without duplicates, in the order given. HasMembers says whether the body had the attribute
	// at all: an empty list and null assign no members, a missing one leaves the decision to the server (RFC 7644, section 3.5.1).
	Members    []Member
	HasMembers bool

	// Unknown names the attributes that no schema has, as the client spelled them, at most 20.
	Unknown []string

	index *index
}

// Decode reads the body of a POST or PUT (RFC 7644, sections 3.3 and 3.5.1). Its error is an *Error: 413 over a limit of size,
// invalidSyntax for what is not such a resource at all, invalidValue for a value that is missing or of the wrong type.
//
// schemas may be missing, as it is from many hand-written clients; when it is there it must have the core schema.
func Decode(t ResourceType, body []byte, options Options) (Input, error) {
	o, err := readBody(body)
	if err != nil {
		return Input{}, err
	}
	d := decoder{index: t.index, seen: make([]*attr, 0, len(o)), in: Input{Resource: make(Resource, len(o)), index: t.index}}
	if err := d.resource(o); err != nil {
		return Input{}, err
	}
	if err := t.index.checkRequired(d.in.Resource, InvalidValue); err != nil {
		return Input{}, err
	}
	d.in.Unknown = d.unknown
	if err := refuseUnknown(d.unknown, options); err != nil {
		return Input{}, err
	}
	return d.in, nil
}

func refuseUnknown(unknown []string, options Options) *Error {
	if !options.RejectUnknown || len(unknown) == 0 {
		return nil
	}
	return badRequest(InvalidSyntax, "There are no such attributes in the schemas: %s.", strings.Join(unknown, ", "))
}

type decoder struct {
	shaper

	index *index
	in    Input
	seen  []*attr
}

func (d *decoder) resource(o object) *Error {
	for i := range o {
		name, value := o[i].name, o[i].value
		if a, ok := d.index.core[name]; ok { // nearly always: spelled as in the schema, or in small letters
			if err := d.assign(location{attr: a}, value); err != nil {
				return err
			}
			continue
		}
		at, ok := d.index.resolve(name)
		switch {
		case !ok:
			d.report(name)
			continue
		case at.attr == nil:
			if err := d.schemaObject(at.ext, value); err != nil {
				return err
			}
			continue
		case at.sub != nil: // "name.givenName", as in a PATCH without a path
			value = object{{at.sub.Name, value}}
		}
		if err := d.assign(at, value); err != nil {
			return err
		}
	}
	return nil
}

// schemaObject reads the attributes below the URN of an extension, or of the core schema.
func (d *decoder) schemaObject(ext *extension, value any) *Error {
	if isNothing(value) {
		return nil
	}
	o, ok := value.(object)
	if !ok {
		return badRequest(InvalidValue, "What stands below a schema's URN must be an object.")
	}
	attrs, urn := d.index.core, d.index.coreURNs[0]
	if ext != nil {
		attrs, urn = ext.attrs, ext.urn
	}
	for i := range o {
		a := attrs.find(o[i].name)
		if a == nil {
			d.report(urn, ":", o[i].name)
			continue
		}
		if err := d.assign(location{ext: ext, attr: a}, o[i].value); err != nil {
			return err
		}
	}
	return nil
}

// assign puts one attribute into the resource.
func (d *decoder) assign(at location, value any) *Error {
	a := at.attr
	switch {
	case a.Name == "schemas" && at.ext == nil:
		return d.schemas(value)
	case a.Mutability == ReadOnly:
		return nil
	case a.Returned == ReturnedNever && at.ext == nil: // the password must be one, and is not kept
		_, err := d.attribute(a, value)
		return err
	case slices.Contains(d.seen, a):
		return badRequest(InvalidSyntax, "%s is given twice.", a.Name)
	}
	d.seen = append(d.seen, a)
	if a.Name == "members" && at.ext == nil {
		members, err := readMembers(value)
		d.in.Members, d.in.HasMembers = members, true
		return err
	}
	canonical, err := d.attribute(a, value)
	if err != nil || canonical == nil {
		return err
	}
	put(d.in.Resource, at.schema(), a.Name, canonical)
	return nil
}

// put assigns an attribute of the core schema or an extension.
func put(r Resource, urn, name string, value any) {
	if urn == "" {
		r[name] = value
		return
	}
	m, ok := r[urn].(map[string]any)
	if !ok {
		m = make(map[string]any)
		r[urn] = m
	}
	m[name] = value
}

func (d *decoder) schemas(value any) *Error {
	if isNone(value) {
		return nil
	}
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	core := false
	for _, v := range list {
		urn, ok := v.(string)
		switch {
		case !ok:
			return badRequest(InvalidSyntax, "schemas must be a list of URNs.")
		case d.index.isCore(urn):
			core = true
		case d.index.extension(urn) == nil:
			d.report(urn)
		}
	}
	if !core {
		return badRequest(InvalidSyntax, "schemas must have %s.", d.index.coreURNs[0])
	}
	return nil
}

// checkRequired refuses a resource that lacks a required attribute. Those of an extension are required where any attribute
// of the extension is assigned, because no extension itself is.
func (x *index) checkRequired(r Resource, scimType string) *Error {
	if err := missing(x.requiredCore, r, scimType); err != nil {
		return err
	}
	for _, e := range x.extensions {
		if m := r.Extension(e.urn); len(m) > 0 && len(e.required) > 0 {
			if err := missing(e.required, m, scimType); err != nil {
				return err
			}
		}
	}
	return nil
}

func missing(attrs []*attr, values map[string]any, scimType string) *Error {
	for _, a := range attrs {
		v, ok := values[a.Name]
		if text, isText := v.(string); a.Required && (!ok || isText && strings.TrimSpace(text) == "") {
			return badRequest(scimType, "%s is required.", a.Name)
		}
		if !ok || a.Type != TypeComplex {
			continue
		}
		elements, isList := v.([]any)
		if !isList {
			elements = []any{v}
		}
		for i := range a.SubAttributes {
			s := &a.SubAttributes[i]
			for _, e := range elements {
				if s.Required && part(e, s) == nil {
					return badRequest(scimType, "%s.%s is required.", a.Name, s.Name)
				}
			}
		}
	}
	return nil
}

// Over applies the body of a PUT to what is stored (RFC 7644, section 3.5.1): attributes that the client left out become
// unassigned; immutable ones keep their values and must not be given others (mutability); write-only ones keep theirs, because
// a client cannot send back what it cannot read; and active stays, because who does not speak of it ends nothing and brings
// nobody back. The result is stored itself when nothing changes but the order of values. For Groups the members are not
// compared.
func (in Input) Over(stored Resource) (result Resource, changed bool, err error) {
	result = in.Resource
	kept, keeps := stored["active"]
	if _, given := result["active"]; given {
		keeps = false
	}
	if keeps || len(in.index.immutable)+len(in.index.writeOnly) > 0 {
		result = cloneObject(result) // so that Over can be repeated
	}
	if keeps {
		result["active"] = kept
	}
	for _, at := range in.index.writeOnly {
		if old := at.path().in(stored); old != nil && at.path().in(result) == nil {
			put(result, at.schema(), at.attr.Name, old)
		}
	}
	for _, at := range in.index.immutable {
		old := at.path().in(stored)
		switch value := at.path().in(result); {
		case old == nil:
		case value == nil:
			put(result, at.schema(), at.attr.Name, old)
		case !equal(value, old):
			return nil, false, badRequest(Mutability, "%s is immutable and has another value.", at.path())
		}
	}
	if equalObjects(result, stored) {
		return stored, false, nil
	}
	return result, true, nil
}

// Load reads a resource as it was stored, as JSON, without what is not declared any more.
func (t ResourceType) Load(stored []byte) (Resource, error) {
	o, err := readBody(stored)
	if err != nil {
		return nil, err
	}
	r := plain(o).(map[string]any) //nolint:forcetypeassert // an object stays one
	t.index.forget(r)
	return r, nil
}

// plain turns what was read into the Go types of canonical values.
func plain(v any) any {
	switch v := v.(type) {
	case object:
		m := make(map[string]any, len(v))
		for i := range v {
			m[v[i].name] = plain(v[i].value)
		}
		return m
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	}
	return v
}
