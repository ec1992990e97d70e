package scim

import "strings"

// isSame says whether an element to be added is there already, perhaps with other sub-attributes: it has the same value and
// no other type or, where there is no value, nothing that differs.
func isSame(a *attr, old, added any) bool {
	o, complexOld := old.(map[string]any)
	n, complexNew := added.(map[string]any)
	if !complexOld || !complexNew {
		return sameText(a.Attribute, old, added)
	}
	value, ok := n["value"]
	if !ok {
		return includes(a, old, added)
	}
	if o["value"] == nil || !sameText(a.subs["value"], o["value"], value) {
		return false
	}
	kind, ok := n["type"]
	return !ok || o["type"] != nil && sameText(a.subs["type"], o["type"], kind)
}

// includes says whether an element has all that the selector has.
func includes(a *attr, element, selector any) bool {
	s, ok := selector.(map[string]any)
	if !ok {
		return sameText(a.Attribute, element, selector)
	}
	e, ok := element.(map[string]any)
	if !ok {
		return false
	}
	for name, value := range s {
		if old, ok := e[name]; !ok || !sameText(a.subs[name], old, value) {
			return false
		}
	}
	return true
}

// sameText compares simple values, texts with regard to case only where the attribute is caseExact.
func sameText(a *Attribute, x, y any) bool {
	s, ok := x.(string)
	t, also := y.(string)
	if ok && also && !a.CaseExact {
		return strings.EqualFold(s, t)
	}
	return equal(x, y)
}

// tidy removes what the operations left empty, and checks the number of values.
func (p *patchApplier) tidy(at location) *Error {
	if at.attr == nil {
		return nil
	}
	var holder map[string]any = p.doc
	if at.ext != nil {
		var ok bool
		if holder, ok = p.doc[at.ext.urn].(map[string]any); !ok {
			return nil
		}
	}
	name := at.attr.Name
	switch v := holder[name].(type) {
	case map[string]any:
		assign(holder, name, v, len(v) == 0)
	case []any:
		kept := v[:0]
		for _, e := range v {
			if m, ok := e.(map[string]any); !ok || !isHollow(at.attr, m) {
				kept = append(kept, e)
			}
		}
		kept = withoutDuplicates(kept)
		if len(kept) > MaxElements {
			return badRequest(InvalidValue, "%s would have more than %d values.", name, MaxElements)
		}
		assign(holder, name, kept, len(kept) == 0)
	}
	if at.ext != nil && len(holder) == 0 {
		delete(p.doc, at.ext.urn)
	}
	return nil
}
