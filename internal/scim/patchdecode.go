package scim

import (
	"strconv"
	"strings"
)

// patchDecoder turns operations as they were sent into changes of single attributes.
type patchDecoder struct {
	shaper

	index   *index
	dialect Dialect
	ops     []operation
	members []MemberOperation
}

// ordinal begins an error with the operation that it is about, counted from 1.
func ordinal(i int) string { return "Operation " + strconv.Itoa(i+1) + ": " }

func (d *patchDecoder) operation(op rawOperation) *Error {
	if op.kind != opRemove && !op.hasValue {
		return badRequest(InvalidValue, "It has no value.")
	}
	if op.path == "" || d.index.isCore(op.path) {
		if op.kind == opRemove {
			return badRequest(NoTarget, "A remove needs a path.")
		}
		return d.withoutPath(op)
	}
	at, filter, err := d.index.parsePath(op.path)
	switch {
	case err != nil:
		return err
	case at.attr == nil && at.ext == nil:
		if d.dialect.lenient() {
			d.report(op.path)
			return nil
		}
		return noSuchPath()
	case at.attr == nil:
		return d.wholeExtension(op, at.ext)
	case at.ext == nil && at.attr.Name == "schemas" && op.kind != opRemove:
		return nil // the server derives it from the attributes
	case at.attr.Mutability == ReadOnly:
		return badRequest(Mutability, "%s is read-only.", at.attr.Name)
	}
	return d.add(op, at, filter)
}

// withoutPath takes the value apart, one change a key (RFC 7644, section 3.5.2.1). Keys may be paths themselves: Entra ID
// sends "name.givenName", "urn:…:User:department" and "emails[type eq \"work\"].value".
func (d *patchDecoder) withoutPath(op rawOperation) *Error {
	o, ok := op.value.(object)
	if !ok {
		return badRequest(InvalidValue, "Without a path the value must be an object of attributes.")
	}
	for i := range o {
		key := rawOperation{kind: op.kind, path: o[i].name, value: o[i].value, hasValue: true}
		at, filter, err := d.index.parsePath(key.path)
		switch {
		case err != nil && strings.IndexByte(key.path, '[') >= 0:
			return err
		case err != nil, at.attr == nil && at.ext == nil && !d.index.isCore(key.path):
			d.report(key.path)
			continue
		}
		if at.attr == nil {
			err = d.wholeSchema(key, at.ext)
		} else {
			err = d.key(key, at, filter)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// key is an attribute in a value. What the server makes is left out, because clients send back what they have read.
func (d *patchDecoder) key(op rawOperation, at location, filter Filter) *Error {
	if at.attr.Mutability == ReadOnly {
		switch {
		case d.dialect.lenient(), at.ext == nil && (at.attr.Name == "id" || at.attr.Name == "schemas" || at.attr.Name == "meta"):
			return nil
		}
		return badRequest(Mutability, "%s is read-only.", at.attr.Name)
	}
	return d.add(op, at, filter)
}

func (d *patchDecoder) wholeSchema(op rawOperation, ext *extension) *Error {
	if ext != nil {
		return d.wholeExtension(op, ext)
	}
	if isNothing(op.value) {
		return nil
	}
	op.path = ""
	return d.withoutPath(op)
}

// wholeExtension is an operation on the URN of an extension.
func (d *patchDecoder) wholeExtension(op rawOperation, ext *extension) *Error {
	if op.kind == opRemove || op.kind == opReplace && op.value == nil {
		d.ops = append(d.ops, operation{kind: opRemove, at: location{ext: ext}})
		return nil
	}
	o, ok := op.value.(object)
	if !ok {
		return badRequest(InvalidValue, "The value of a schema must be an object of attributes.")
	}
	for i := range o {
		at, ok := d.index.resolve(ext.urn + ":" + o[i].name)
		if !ok || at.attr == nil {
			d.report(ext.urn, ":", o[i].name)
			continue
		}
		if err := d.key(rawOperation{kind: op.kind, value: o[i].value, hasValue: true}, at, nil); err != nil {
			return err
		}
	}
	return nil
}

// add notes a change of one attribute that may be changed.
func (d *patchDecoder) add(op rawOperation, at location, filter Filter) *Error {
	switch {
	case at.ext == nil && at.attr == d.index.core["password"]:
		return d.notKept(at.attr, op)
	case at.ext == nil && at.attr == d.index.core["members"]:
		return d.memberOperation(op, at, filter)
	case at.sub != nil && at.sub.Mutability == ReadOnly:
		return badRequest(Mutability, "%s is read-only.", fullName(at.sub, at.attr.Attribute))
	}
	change := operation{kind: op.kind, at: at, filter: filter}
	if op.kind == opRemove {
		if at.attr.Required && at.sub == nil && filter == nil && !op.hasValue {
			return badRequest(Mutability, "%s is required and cannot be removed.", at.attr.Name)
		}
		return d.remove(op, change)
	}
	var err *Error
	if change.value, err = d.shape(change, op.value); err == nil {
		d.ops = append(d.ops, change)
	}
	return err
}

// shape brings the value to the form that operation.value describes.
func (d *patchDecoder) shape(change operation, v any) (any, *Error) {
	a := change.at.attr
	switch {
	case change.at.sub != nil:
		return d.simple(change.at.sub, a.Attribute, a.closed, unwrapped(v))
	case a.MultiValued && change.filter == nil:
		list, err := d.list(a, v)
		if list == nil {
			return nil, err
		}
		return list, err
	case a.Type == TypeComplex:
		m, err := d.complex(a, v, true)
		if m == nil {
			return nil, err
		}
		return m, err
	}
	return d.simple(a.Attribute, nil, a.closed, unwrapped(v))
}

// notKept reads a password: it must be one, and is forgotten.
func (d *patchDecoder) notKept(a *attr, op rawOperation) *Error {
	if op.kind == opRemove {
		return nil
	}
	_, err := d.attribute(a, op.value)
	return err
}

// remove: Entra ID names the values to remove in the value, where the RFC has none. To remove everything instead would be
// the worst that could be done.
func (d *patchDecoder) remove(op rawOperation, change operation) *Error {
	a := change.at.attr
	if op.value == nil || !a.MultiValued || change.filter != nil || change.at.sub != nil {
		d.ops = append(d.ops, change)
		return nil
	}
	given, ok := op.value.([]any)
	if !ok {
		given = []any{op.value}
	}
	list := make([]any, 0, len(given))
	for _, g := range given {
		e, err := d.selector(a, g)
		if err != nil {
			return err
		}
		if e != nil {
			list = append(list, e)
		}
	}
	change.value = list
	d.ops = append(d.ops, change)
	return nil
}

// selector is an element to remove: every sub-attribute that it has must be that of the element.
func (d *patchDecoder) selector(a *attr, v any) (any, *Error) {
	if a.Type != TypeComplex {
		return d.simple(a.Attribute, nil, a.closed, inner(v))
	}
	m, err := d.complex(a, v, false)
	delete(m, "$ref")
	if len(m) == 0 && err == nil {
		return nil, badRequest(InvalidValue, "What is to be removed from %s must have a sub-attribute to tell it by.", a.Name)
	}
	return m, err
}
