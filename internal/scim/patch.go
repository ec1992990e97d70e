package scim

import (
	"slices"
	"strings"
)

// PatchSchema is the URN of a PATCH request (RFC 7644, section 3.5.2).
const PatchSchema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

// Patch is a PATCH request that was read and checked as far as that is possible without the resource.
type Patch struct {
	// Dialect is the client's: that of Options, else the one that was recognised.
	Dialect Dialect

	// Members are the changes to a Group's members, in order. They are apart from Apply so that adding one member does not
	// read the others.
	Members []MemberOperation

	// Unknown names the attributes that no schema has, as the client spelled them, at most 20.
	Unknown []string

	index *index
	ops   []operation
}

type opKind string

const (
	opAdd     opKind = "add"
	opRemove  opKind = "remove"
	opReplace opKind = "replace"
)

// operation is one change of one attribute.
type operation struct {
	kind   opKind
	at     location
	filter Filter // selects elements of a multi-valued attribute

	// value is canonical, nil to unassign: a list for a multi-valued attribute without filter and sub-attribute; an object
	// in which nil unassigns a sub-attribute for a complex value; else a simple value. For a remove without filter it is nil,
	// or the list of what to remove.
	value any
}

// DecodePatch reads the body of a PATCH (RFC 7644, section 3.5.2). Its error is an *Error: 413 over a limit of size,
// invalidSyntax, invalidPath, invalidFilter, invalidValue, mutability, or noTarget for a remove without a path.
//
// Keys that the RFC does not know are left out, as is an id. schemas may be missing; when it is there it must have PatchSchema.
func DecodePatch(t ResourceType, body []byte, options Options) (*Patch, error) {
	o, err := readBody(body)
	if err != nil {
		return nil, err
	}
	list, err := patchOperations(o)
	if err != nil {
		return nil, err
	}
	d := patchDecoder{index: t.index, dialect: options.Dialect}
	if d.dialect == "" {
		d.dialect = detect(list)
	}
	for i, op := range list {
		if err := d.operation(op); err != nil {
			err.Detail = ordinal(i) + err.Detail
			return nil, err
		}
	}
	if err := refuseUnknown(d.unknown, options); err != nil {
		return nil, err
	}
	if err := d.checkMembers(); err != nil {
		return nil, err
	}
	return &Patch{Dialect: d.dialect, Members: d.members, Unknown: d.unknown, index: t.index, ops: d.ops}, nil
}

// rawOperation is an operation as it was sent.
type rawOperation struct {
	kind     opKind
	odd      bool // the name was not in small letters
	path     string
	value    any
	hasValue bool
}

func patchOperations(o object) ([]rawOperation, *Error) {
	if schemas := o.get("schemas"); !isNone(schemas) {
		list, ok := schemas.([]any)
		if !ok {
			list = []any{schemas}
		}
		if !slices.ContainsFunc(list, func(v any) bool { s, _ := v.(string); return equalName(s, PatchSchema) }) {
			return nil, badRequest(InvalidSyntax, "schemas must have %s.", PatchSchema)
		}
	}
	list, ok := o.get("Operations").([]any)
	switch {
	case !ok || len(list) == 0:
		return nil, badRequest(InvalidSyntax, "Operations must be a list of operations.")
	case len(list) > MaxOperations:
		return nil, tooLarge("There are more than %d operations. Send them in several requests.", MaxOperations)
	}
	ops := make([]rawOperation, len(list))
	for i, v := range list {
		var err *Error
		if ops[i], err = readOperation(v); err != nil {
			err.Detail = ordinal(i) + err.Detail
			return nil, err
		}
	}
	return ops, nil
}

func readOperation(v any) (rawOperation, *Error) {
	var op rawOperation
	o, ok := v.(object)
	if !ok {
		return op, badRequest(InvalidSyntax, "It must be an object.")
	}
	kind, _ := o.get("op").(string)
	op.kind = opKind(strings.ToLower(kind))
	op.odd = string(op.kind) != kind
	switch path := o.get("path").(type) {
	case nil:
	case string:
		op.path = path
	default:
		return op, badRequest(InvalidPath, "path must be a text.")
	}
	op.value, op.hasValue = o.find("value")
	switch op.kind {
	case opAdd, opRemove, opReplace:
		return op, nil
	}
	return op, badRequest(InvalidSyntax, "op must be add, remove or replace.")
}

// detect recognises the client by what only it sends (see wire formats in "Tutorial: Develop and plan provisioning for a SCIM
// endpoint", Microsoft Learn, and "SCIM 2.0 Protocol Reference", Okta): Entra writes the operations with a capital letter
// or, in its newer dialect, keys with a dot or a filter in a PATCH without path, and members to remove with "$ref": null;
// Okta sends the id along, or active alone.
func detect(ops []rawOperation) Dialect {
	for _, op := range ops {
		if op.odd || op.kind == opRemove && hasNullRef(op.value) {
			return Entra
		}
		o, ok := op.value.(object)
		if !ok || op.path != "" {
			continue
		}
		for i := range o {
			name := o[i].name
			if strings.IndexByte(name, '[') >= 0 || strings.IndexByte(name, ':') < 0 && strings.IndexByte(name, '.') >= 0 {
				return Entra
			}
			if op.kind == opReplace && (equalName(name, "id") || len(o) == 1 && equalName(name, "active")) {
				return Okta
			}
		}
	}
	return RFC
}

// hasNullRef says whether the first of the values that are to be removed has a "$ref" of null.
func hasNullRef(value any) bool {
	if list, ok := value.([]any); ok && len(list) > 0 {
		value = list[0]
	}
	o, _ := value.(object)
	for i := range o {
		if o[i].name == "$ref" {
			return o[i].value == nil
		}
	}
	return false
}

// TouchesAttributes says whether Apply may change anything: false for a PATCH of nothing but members.
func (p *Patch) TouchesAttributes() bool { return len(p.ops) > 0 }
