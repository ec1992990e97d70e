package scim

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Match says whether all terms hold.
func (f And) Match(r Resource) bool { return all(f.Terms, func(t Filter) bool { return t.Match(r) }) }

// Match says whether a term holds.
func (f Or) Match(r Resource) bool { return !all(f.Terms, func(t Filter) bool { return !t.Match(r) }) }

// Match says whether the filter does not hold.
func (f Not) Match(r Resource) bool { return !f.Filter.Match(r) }

// Match answers the constant.
func (f Constant) Match(Resource) bool { return bool(f) }

// Match compares the values at the path.
func (f Compare) Match(r Resource) bool {
	value := f.Path.in(r)
	if !f.Path.Attribute.MultiValued {
		return f.test(f.Path.step(value))
	}
	elements, _ := value.([]any)
	if len(elements) == 0 {
		return f.test(nil)
	}
	for _, e := range elements {
		if f.test(f.Path.step(e)) {
			return true
		}
	}
	return false
}

// Match says whether the path has a value.
func (f Present) Match(r Resource) bool {
	value := f.Path.in(r)
	if f.Path.Sub == nil {
		return assigned(value)
	}
	elements, ok := value.([]any)
	if !ok {
		return assigned(f.Path.step(value))
	}
	for _, e := range elements {
		if assigned(f.Path.step(e)) {
			return true
		}
	}
	return false
}

// Match says whether an element satisfies the filter.
func (f ValuePath) Match(r Resource) bool {
	value := f.Path.in(r)
	elements, ok := value.([]any)
	if !ok {
		return value != nil && f.Filter.matchElement(value)
	}
	return slices.ContainsFunc(elements, f.Filter.matchElement)
}

func (f And) matchElement(e any) bool {
	return all(f.Terms, func(t Filter) bool { return t.matchElement(e) })
}

func (f Or) matchElement(e any) bool {
	return !all(f.Terms, func(t Filter) bool { return !t.matchElement(e) })
}

func (f Not) matchElement(e any) bool     { return !f.Filter.matchElement(e) }
func (f Constant) matchElement(any) bool  { return bool(f) }
func (f Compare) matchElement(e any) bool { return f.test(part(e, f.Path.Attribute)) }
func (f Present) matchElement(e any) bool { return assigned(part(e, f.Path.Attribute)) }
func (f ValuePath) matchElement(any) bool { return false } // the parser makes none inside another

func all(terms []Filter, holds func(Filter) bool) bool {
	for _, t := range terms {
		if !holds(t) {
			return false
		}
	}
	return true
}

// part is a sub-attribute of an element, or the element itself when it is simple.
func part(element any, sub *Attribute) any {
	if m, ok := element.(map[string]any); ok {
		return m[sub.Name]
	}
	return element
}

// in is the value of the path's attribute in a resource.
func (p Path) in(r Resource) any {
	if p.Schema == "" {
		return r[p.Attribute.Name]
	}
	extension, _ := r[p.Schema].(map[string]any)
	if p.Attribute == nil {
		if len(extension) == 0 {
			return nil
		}
		return extension
	}
	return extension[p.Attribute.Name]
}

// step goes from a value of the attribute to the sub-attribute, if the path has one.
func (p Path) step(value any) any {
	if p.Sub == nil {
		return value
	}
	m, _ := value.(map[string]any)
	return m[p.Sub.Name]
}

func assigned(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}

func (f Compare) test(value any) bool { return test(f.Path.Leaf(), f.Op, f.Value, value) }

// test compares one value of an attribute with a literal of its type.
func test(leaf *Attribute, op Operator, wanted, value any) bool {
	if value == nil {
		return op == NotEqual
	}
	switch w := wanted.(type) {
	case bool:
		b, ok := value.(bool)
		return (ok && b == w) == (op == Equal)
	case float64:
		n, ok := toFloat(value)
		return ordered(op, ok, cmp.Compare(n, w))
	case time.Time:
		s, _ := value.(string)
		at, ok := parseDateTime(s)
		return ordered(op, ok, at.Compare(w))
	case string:
		s, ok := value.(string)
		if !leaf.CaseExact {
			s, w = Fold(s), Fold(w)
		}
		switch op {
		case Contains:
			return strings.Contains(s, w)
		case StartsWith:
			return strings.HasPrefix(s, w)
		case EndsWith:
			return strings.HasSuffix(s, w)
		default:
			return ordered(op, ok, strings.Compare(s, w))
		}
	}
	return false
}

// ordered answers for an operator on values of which c is the order. ok is false for a value of another type, which is
// unlike every other.
func ordered(op Operator, ok bool, c int) bool {
	if !ok {
		return op == NotEqual
	}
	switch op {
	case Equal:
		return c == 0
	case NotEqual:
		return c != 0
	case Greater:
		return c > 0
	case GreaterOrEqual:
		return c >= 0
	case Less:
		return c < 0
	case LessOrEqual:
		return c <= 0
	default:
		return false
	}
}

func toFloat(v any) (float64, bool) {
	switch n := v.(type) {
	case float64:
		return n, true
	case int64:
		return float64(n), true
	}
	return 0, false
}
