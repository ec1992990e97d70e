package simulator

import "strings"

// matches evaluates the filter; value reads a property. Texts compare without regard to case.
func (e *expression) matches(value func(name string) any) bool {
	if e == nil {
		return true
	}
	switch e.op {
	case "and":
		return e.children[0].matches(value) && e.children[1].matches(value)
	case "or":
		return e.children[0].matches(value) || e.children[1].matches(value)
	case "not":
		return !e.children[0].matches(value)
	case "any":
		inner := e.children[0]
		list, _ := value(e.path).([]any)
		for _, element := range list {
			if inner.sub != "" {
				fields, _ := element.(object)
				element = fields[inner.sub]
			}
			if inner.compare(element) {
				return true
			}
		}
		return false
	}
	return e.compare(value(e.path))
}

func (e *expression) compare(have any) bool {
	switch e.op {
	case "in":
		for _, want := range e.values {
			if same(have, want) {
				return true
			}
		}
		return false
	case "eq":
		return same(have, e.values[0])
	case "ne":
		return !same(have, e.values[0])
	}
	text, isText := have.(string)
	want, wantText := e.values[0].(string)
	if !isText || !wantText {
		return false
	}
	text, want = fold(text), fold(want)
	switch e.op {
	case "startswith":
		return strings.HasPrefix(text, want)
	case "endswith":
		return strings.HasSuffix(text, want)
	case "ge":
		return text >= want
	case "le":
		return text <= want
	}
	return false
}

func same(have, want any) bool {
	a, aText := have.(string)
	b, bText := want.(string)
	if aText && bText {
		return strings.EqualFold(a, b)
	}
	switch have.(type) {
	case bool, nil:
		return have == want
	}
	return false
}

// equals finds `property eq 'text'` that every match must satisfy, for the index.
func (e *expression) equals(property string) (string, bool) {
	if e == nil {
		return "", false
	}
	if e.op == "and" {
		if value, found := e.children[0].equals(property); found {
			return value, true
		}
		return e.children[1].equals(property)
	}
	if e.op == "eq" && e.path == property {
		text, isText := e.values[0].(string)
		return text, isText
	}
	return "", false
}
