package simulator

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/elimity-com/scim"
	"github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/schema"
	"github.com/scim2/filter-parser/v2"
)

// patcher applies PATCH operations (RFC 7644 §3.5.2), whose paths and values the library has checked.
type patcher struct {
	core       schema.Schema
	extensions []schema.Schema
}

// step is one operation on one attribute.
type step struct {
	op    string
	path  filter.Path
	value any
}

// steps takes an operation without a path apart, one step an attribute of its value.
func steps(op scim.PatchOperation) ([]step, error) {
	if op.Path != nil {
		return []step{{op.Op, *op.Path, op.Value}}, nil
	}
	values, _ := op.Value.(map[string]any)
	out := make([]step, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		path, err := filter.ParsePath([]byte(name))
		if err != nil {
			return nil, errors.ScimErrorInvalidPath
		}
		out = append(out, step{op.Op, path, values[name]})
	}
	return out, nil
}

// apply changes the attributes in place.
func (p patcher) apply(attributes map[string]any, st step) error {
	attr, err := p.attribute(st.path)
	if err != nil {
		return err
	}
	holder := attributes
	if uri := st.path.AttributePath.URI(); uri != "" && !strings.EqualFold(uri, p.core.ID) {
		holder = p.extension(attributes, uri)
	}
	sub := st.path.SubAttributeName() + st.path.AttributePath.SubAttributeName()
	if sub != "" {
		def, _ := attr.SubAttributes().ContainsAttribute(sub)
		sub = def.Name()
	}
	switch {
	case st.path.ValueExpression != nil:
		err = applyToElements(holder, attr, sub, st)
	case sub != "":
		applyToPart(holder, attr, sub, st)
	default:
		applyToWhole(holder, attr, st)
	}
	dropEmpty(attributes)
	return err
}

// attribute is the definition that the path leads to; read-only ones are refused.
func (p patcher) attribute(path filter.Path) (schema.CoreAttribute, error) {
	uri := path.AttributePath.URI()
	for _, s := range append([]schema.Schema{p.core}, p.extensions...) {
		if uri != "" && !strings.EqualFold(uri, s.ID) {
			continue
		}
		attr, ok := s.Attributes.ContainsAttribute(path.AttributePath.AttributeName)
		if !ok {
			continue
		}
		if attr.Mutability() == "readOnly" {
			return attr, errors.ScimErrorMutability
		}
		return attr, nil
	}
	return schema.CoreAttribute{}, errors.ScimErrorInvalidPath
}

func (p patcher) extension(attributes map[string]any, uri string) map[string]any {
	for _, s := range p.extensions {
		if strings.EqualFold(uri, s.ID) {
			uri = s.ID
		}
	}
	m, ok := attributes[uri].(map[string]any)
	if !ok {
		m = map[string]any{}
		attributes[uri] = m
	}
	return m
}

// dropEmpty removes what holds nothing: it is unassigned (RFC 7643 §2.5).
func dropEmpty(attributes map[string]any) {
	for name, v := range attributes {
		if m, ok := v.(map[string]any); ok && len(m) == 0 {
			delete(attributes, name)
		}
		if l, ok := v.([]any); ok && len(l) == 0 {
			delete(attributes, name)
		}
	}
}

func applyToWhole(holder map[string]any, attr schema.CoreAttribute, st step) {
	name := attr.Name()
	switch {
	case st.op == scim.PatchOperationRemove:
		delete(holder, name)
	case attr.MultiValued():
		items := elements(clone(st.value))
		if st.op == scim.PatchOperationAdd {
			items = addElements(elements(holder[name]), items)
		}
		holder[name] = items
	default:
		parts, complexValue := st.value.(map[string]any)
		old, there := holder[name].(map[string]any)
		if complexValue && there {
			maps.Copy(old, parts) // sub-attributes that are not named stay (§3.5.2.3)
			return
		}
		holder[name] = clone(st.value)
	}
}

func addElements(items, added []any) []any {
	for _, a := range added {
		if slices.ContainsFunc(items, func(i any) bool { return reflect.DeepEqual(i, a) }) {
			continue
		}
		if m, ok := a.(map[string]any); ok && m["primary"] == true {
			demote(items, nil)
		}
		items = append(items, a)
	}
	return items
}

// demote leaves at most one primary element (RFC 7643 §2.4).
func demote(items []any, keep map[string]any) {
	for _, i := range items {
		if m, ok := i.(map[string]any); ok && m["primary"] == true && reflect.ValueOf(m).Pointer() != reflect.ValueOf(keep).Pointer() {
			m["primary"] = false
		}
	}
}

func applyToPart(holder map[string]any, attr schema.CoreAttribute, sub string, st step) {
	if attr.MultiValued() {
		for _, element := range elements(holder[attr.Name()]) {
			if m, ok := element.(map[string]any); ok {
				setPart(m, sub, st)
			}
		}
		return
	}
	parts, ok := holder[attr.Name()].(map[string]any)
	if !ok {
		parts = map[string]any{}
		holder[attr.Name()] = parts
	}
	setPart(parts, sub, st)
}

func setPart(parts map[string]any, sub string, st step) {
	if st.op == scim.PatchOperationRemove {
		delete(parts, sub)
		return
	}
	parts[sub] = clone(st.value)
}

// applyToElements changes what the filter selects. Nothing selected is noTarget for add and replace (§3.5.2.3), and
// nothing to do for remove.
func applyToElements(holder map[string]any, attr schema.CoreAttribute, sub string, st step) error {
	items := elements(holder[attr.Name()])
	kept := make([]any, 0, len(items))
	selected := false
	for _, item := range items {
		m, isComplex := item.(map[string]any)
		if !isComplex {
			m = map[string]any{"value": item}
		}
		ok, err := matches(st.path.ValueExpression, m)
		if err != nil {
			return err
		}
		if !ok {
			kept = append(kept, item)
			continue
		}
		selected = true
		switch {
		case sub != "":
			setPart(m, sub, st)
			if sub == "primary" && st.value == true {
				demote(items, m)
			}
			if len(m) > 0 {
				kept = append(kept, m)
			}
		case st.op != scim.PatchOperationRemove:
			for _, v := range elements(clone(st.value)) {
				if parts, ok := v.(map[string]any); ok {
					maps.Copy(m, parts)
				}
			}
			kept = append(kept, m)
		}
	}
	if !selected && st.op != scim.PatchOperationRemove {
		return errors.ScimErrorNoTarget
	}
	holder[attr.Name()] = kept
	return nil
}
