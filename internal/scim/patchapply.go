package scim

import "slices"

// maxPatchWork is the number of comparisons of values that one PATCH may cost: a fraction of a second.
const maxPatchWork = 10_000_000

// Apply does the operations on a resource, in order, all or none (RFC 7644, section 3.5.2). stored stays as it is, and is
// the result when nothing changes. A Group's members are in Members instead. The
// error is an *Error: noTarget, mutability, or invalidValue.
func (p *Patch) Apply(stored Resource) (result Resource, changed bool, err error) {
	if len(p.ops) == 0 {
		return stored, false, nil
	}
	a := patchApplier{doc: cloneObject(stored), dialect: p.Dialect, index: p.index}
	for i := range p.ops {
		if err := a.apply(&p.ops[i]); err != nil {
			return nil, false, err
		}
	}
	for i := range p.ops {
		if err := a.tidy(p.ops[i].at); err != nil {
			return nil, false, err
		}
	}
	// What is required and was removed (RFC 7644, section 3.5.2.2), or is immutable and was changed.
	// What was missing before, since the schema became stricter, does not stand in the way of other changes.
	if err := p.index.checkRequired(a.doc, Mutability); err != nil && p.index.checkRequired(stored, Mutability) == nil {
		return nil, false, err
	}
	for _, at := range p.index.immutable {
		if old := at.path().in(stored); old != nil && !equal(old, at.path().in(a.doc)) {
			return nil, false, badRequest(Mutability, "%s is immutable.", at.path())
		}
	}
	if equalObjects(a.doc, stored) {
		return stored, false, nil
	}
	return a.doc, true, nil
}

type patchApplier struct {
	doc     Resource
	dialect Dialect
	index   *index
	work    int
}

// spend counts what a loop over lists costs.
func (p *patchApplier) spend(n int) *Error {
	if p.work += n; p.work > maxPatchWork {
		return tooLarge("The operations are too many for the number of values. Send them in several requests.")
	}
	return nil
}

// holder is what has the attributes of a schema: the resource or the extension's part of it.
func (p *patchApplier) holder(ext *extension) map[string]any {
	if ext == nil {
		return p.doc
	}
	m, ok := p.doc[ext.urn].(map[string]any)
	if !ok {
		m = make(map[string]any)
		p.doc[ext.urn] = m
	}
	return m
}

func (p *patchApplier) apply(op *operation) *Error {
	if op.at.attr == nil {
		delete(p.doc, op.at.ext.urn)
		return nil
	}
	holder, name := p.holder(op.at.ext), op.at.attr.Name
	if op.at.attr.MultiValued {
		old, _ := holder[name].([]any)
		list, err := p.multiValued(op, old)
		assign(holder, name, list, len(list) == 0)
		return err
	}
	if op.value == nil && op.at.attr == p.index.core["active"] {
		return nil // to say nothing of it any more is no leave, and no return either
	}
	if op.at.sub == nil && op.at.attr.Type != TypeComplex {
		assign(holder, name, op.value, op.value == nil)
		return nil
	}
	parts, there := holder[name].(map[string]any)
	switch {
	case op.at.sub == nil && op.value == nil: // a remove, or null
		delete(holder, name)
		return nil
	case !there:
		parts = make(map[string]any)
		holder[name] = parts
	}
	if op.at.sub != nil {
		return setPart(op.at.attr, parts, op.at.sub.Name, op.value)
	}
	return merge(op.at.attr, parts, op.value.(map[string]any)) //nolint:forcetypeassert // see operation.value
}

func assign(holder map[string]any, name string, value any, unassign bool) {
	if unassign {
		delete(holder, name)
		return
	}
	holder[name] = value
}

// merge sets the sub-attributes that are named and leaves the others (RFC 7644, section 3.5.2.3).
func merge(a *attr, parts, changes map[string]any) *Error {
	for name, value := range changes {
		if name == "value" {
			continue
		}
		if err := setPart(a, parts, name, value); err != nil {
			return err
		}
	}
	value, ok := changes["value"]
	if !ok {
		return nil
	}
	ref, hasRef := changes["$ref"]
	if err := setPart(a, parts, "value", value); err != nil {
		return err
	}
	if hasRef {
		return setPart(a, parts, "$ref", ref)
	}
	return nil
}

// setPart sets or, by nil, removes a sub-attribute. The URI of what another value named does not outlive it.
func setPart(a *attr, parts map[string]any, name string, value any) *Error {
	old, there := parts[name]
	if there && equal(old, value) {
		return nil
	}
	if there && a.subs[name].Mutability == Immutable {
		return badRequest(Mutability, "%s.%s is immutable.", a.Name, name)
	}
	assign(parts, name, value, value == nil)
	if name == "value" {
		delete(parts, "$ref")
	}
	return nil
}

// multiValued does an operation on the values of an attribute and answers the new ones.
func (p *patchApplier) multiValued(op *operation, list []any) ([]any, *Error) {
	switch {
	case op.filter != nil:
		return p.filtered(op, list)
	case op.at.sub != nil:
		return p.everyElement(op, list)
	case op.kind == opAdd:
		return p.addElements(op, list)
	case op.kind == opReplace:
		added, _ := op.value.([]any)
		added, _ = clone(added).([]any)
		return added, nil
	}
	selectors, ok := op.value.([]any)
	if !ok {
		return nil, nil
	}
	return p.removeSelected(op, list, selectors)
}

func (p *patchApplier) removeSelected(op *operation, list, selectors []any) ([]any, *Error) {
	if err := p.spend(len(list) * len(selectors)); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(e any) bool {
		return slices.ContainsFunc(selectors, func(s any) bool { return includes(op.at.attr, e, s) })
	}), nil
}

// filtered changes the elements that the filter selects.
func (p *patchApplier) filtered(op *operation, list []any) ([]any, *Error) {
	if err := p.spend(len(list) * maxPathTerms); err != nil {
		return nil, err
	}
	var selected []int
	for i, e := range list {
		if op.filter.matchElement(e) {
			selected = append(selected, i)
		}
	}
	switch {
	case len(selected) == 0:
		return p.nothingSelected(op, list)
	case op.at.sub == nil && (op.kind == opRemove || op.value == nil):
		return slices.DeleteFunc(list, op.filter.matchElement), nil
	}
	for _, i := range selected {
		if err := changeElement(op, list, i); err != nil {
			return nil, err
		}
	}
	return list, onePrimary(op, list, selected)
}

func changeElement(op *operation, list []any, i int) *Error {
	m, isComplex := list[i].(map[string]any)
	switch {
	case !isComplex:
		list[i] = op.value
		return nil
	case op.at.sub != nil:
		return setPart(op.at.attr, m, op.at.sub.Name, op.value)
	}
	return merge(op.at.attr, m, op.value.(map[string]any)) //nolint:forcetypeassert // see operation.value
}

// nothingSelected: see Dialect for what differs. An add creates the element that the filter describes, for everybody.
func (p *patchApplier) nothingSelected(op *operation, list []any) ([]any, *Error) {
	none := badRequest(NoTarget, "The filter selects no value of %s.", op.at.attr.Name)
	switch {
	case op.kind == opRemove && p.dialect.lenient():
		return list, nil
	case op.kind == opRemove, op.kind == opReplace && p.dialect != Entra:
		return nil, none
	case op.value == nil:
		return list, nil // nothing to unassign
	case op.at.attr.Type != TypeComplex:
		return append(list, op.value), nil
	}
	e := make(map[string]any)
	if !describe(op.filter, op.at.attr, e) {
		return nil, none
	}
	list = append(list, e)
	if err := changeElement(op, list, len(list)-1); err != nil {
		return nil, err
	}
	return list, onePrimary(op, list, []int{len(list) - 1})
}

// describe makes the element that a conjunction of equalities describes; false when the filter is something else.
func describe(f Filter, a *attr, e map[string]any) bool {
	switch f := f.(type) {
	case Compare:
		sub := f.Path.Attribute
		switch v := f.Value.(type) {
		case string:
			text, problem := checkText(sub, a.Attribute, a.closed, v)
			e[sub.Name] = text
			return problem == "" && f.Op == Equal && v != "" && sub.Mutability != ReadOnly
		case bool:
			e[sub.Name] = v
			return f.Op == Equal && sub.Mutability != ReadOnly
		}
	case And:
		for _, t := range f.Terms {
			if !describe(t, a, e) {
				return false
			}
		}
		return true
	}
	return false
}

// everyElement changes a sub-attribute of all elements, as emails.type; with none, an add or replace creates one.
func (p *patchApplier) everyElement(op *operation, list []any) ([]any, *Error) {
	if err := p.spend(len(list)); err != nil {
		return nil, err
	}
	if len(list) == 0 && op.value != nil {
		list = []any{make(map[string]any)}
	}
	all := make([]int, len(list))
	for i := range list {
		all[i] = i
		if err := changeElement(op, list, i); err != nil {
			return nil, err
		}
	}
	return list, onePrimary(op, list, all)
}

// addElements adds what is not there yet; of what is there it sets the sub-attributes that differ (RFC 7644, section
// 3.5.2.1, and RFC 7643, section 2.4: no two elements with the same type and value).
func (p *patchApplier) addElements(op *operation, list []any) ([]any, *Error) {
	added, _ := op.value.([]any)
	if err := p.spend((len(list) + len(added)) * len(added)); err != nil {
		return nil, err
	}
	touched := make([]int, 0, len(added))
	for _, e := range added {
		i := slices.IndexFunc(list, func(old any) bool { return isSame(op.at.attr, old, e) })
		if i < 0 {
			touched = append(touched, len(list))
			list = append(list, clone(e))
			continue
		}
		touched = append(touched, i)
		if parts, ok := list[i].(map[string]any); ok {
			if err := merge(op.at.attr, parts, e.(map[string]any)); err != nil { //nolint:forcetypeassert // of the same attribute
				return nil, err
			}
		}
	}
	return list, onePrimary(op, list, touched)
}

// onePrimary makes all other elements not primary when one that was touched is (RFC 7644, section 3.5.2).
func onePrimary(op *operation, list []any, touched []int) *Error {
	primary := -1
	for _, i := range touched {
		if isPrimary(list[i]) && i != primary {
			if primary >= 0 {
				return badRequest(InvalidValue, "%s would have more than one value that is primary.", op.at.attr.Name)
			}
			primary = i
		}
	}
	if primary < 0 {
		return nil
	}
	for i, e := range list {
		if i != primary && isPrimary(e) {
			e.(map[string]any)["primary"] = false //nolint:forcetypeassert // it is primary
		}
	}
	return nil
}
