package scim

import "strings"

// find resolves an attribute of a comparison. It answers false when there is none, and for one that is never
// returned, which a filter would let a client guess. A nil location.attr with true cannot be compared but can be present.
func (p *filterParser) find(name string) (location, bool) {
	if p.element == nil {
		at, ok := p.index.resolve(name)
		hidden := ok && at.attr != nil && (at.attr.Returned == ReturnedNever || at.sub != nil && at.sub.Returned == ReturnedNever)
		return at, ok && !hidden
	}
	a := p.element
	if a.element != nil { // elements of a simple type: the only attribute is "value"
		return location{attr: &attr{Attribute: a.element}}, equalName(name, "value")
	}
	sub := a.sub(name)
	return location{attr: &attr{Attribute: sub}}, sub != nil && sub.Returned != ReturnedNever
}

// unknown answers for an attribute that is in no schema of the type.
func (p *filterParser) unknown(start int, op Operator) (Filter, *Error) {
	if p.unknownIsUnassigned && p.element == nil {
		return Constant(op == NotEqual), nil
	}
	p.at = start
	return nil, p.refuse("there is no such attribute")
}

func (p *filterParser) present(name string, start int) (Filter, *Error) {
	at, ok := p.find(name)
	switch {
	case !ok:
		return p.unknown(start, "pr")
	case at.attr == nil && at.ext == nil, at.attr != nil && at.attr.Name == "schemas":
		return Constant(true), nil // every resource has its core schema
	}
	return Present{at.path()}, nil
}

func (p *filterParser) compare(name string, start int, op Operator, value any) (Filter, *Error) {
	at, ok := p.find(name)
	if !ok {
		return p.unknown(start, op)
	}
	if at.attr == nil {
		p.at = start
		return nil, p.refuse("a schema cannot be compared")
	}
	if p.element == nil && at.ext == nil && at.attr.Name == "schemas" {
		return p.compareSchemas(start, op, value)
	}
	if value == nil {
		return p.compareNull(at, start, op)
	}
	path := at.path()
	if path.Sub == nil && path.Attribute.Type == TypeComplex {
		// emails co "x" means its values (RFC 7644, section 3.4.2.2: the default sub-attribute).
		if path.Sub = at.attr.sub("value"); path.Sub == nil {
			p.at = start
			return nil, p.refuse("the attribute is complex: name one of its sub-attributes")
		}
	}
	value, problem := literalFor(path.Leaf().Type, op, value)
	if problem != "" {
		p.at = start
		return nil, p.refuse(problem)
	}
	if p.element == nil && path.Attribute.Name == "meta" && path.Sub.Name == "resourceType" {
		return Constant(test(path.Sub, op, value, p.typeName)), nil
	}
	return Compare{path, op, value}, nil
}

// compareNull: null is what an unassigned attribute has (RFC 7643, section 2.5).
func (p *filterParser) compareNull(at location, start int, op Operator) (Filter, *Error) {
	switch op {
	case Equal:
		return Not{Present{at.path()}}, nil
	case NotEqual:
		return Present{at.path()}, nil
	default:
		p.at = start
		return nil, p.refuse("null can be compared with eq and ne only")
	}
}

// compareSchemas: a resource has its core schema and those extensions of which an attribute is assigned.
func (p *filterParser) compareSchemas(start int, op Operator, value any) (Filter, *Error) {
	text, ok := value.(string)
	if !ok {
		p.at = start
		return nil, p.refuse("schemas can be compared with a text only")
	}
	switch op {
	case Equal, NotEqual:
		has := p.hasSchema(p.index.isCore(text), func(urn string) bool { return equalName(urn, text) })
		if op == Equal {
			return has, nil
		}
		if c, ok := has.(Constant); ok {
			return !c, nil
		}
		return Not{has}, nil
	case Contains, StartsWith, EndsWith:
		matches := func(urn string) bool { return test(&Attribute{Type: TypeReference}, op, text, urn) } // as URNs: in any case
		return p.hasSchema(matches(p.index.coreURNs[0]), matches), nil
	default:
		p.at = start
		return nil, p.refuse("schemas have no order: compare them with eq, ne, co, sw or ew")
	}
}

// hasSchema is the filter for resources that have a schema which matches: all of them, if the core schema does.
func (p *filterParser) hasSchema(core bool, matches func(urn string) bool) Filter {
	var terms []Filter
	for _, e := range p.index.extensions {
		if !core && matches(e.urn) {
			terms = append(terms, Present{Path{Schema: e.urn}})
		}
	}
	switch len(terms) {
	case 0:
		return Constant(core)
	case 1:
		return terms[0]
	}
	p.terms += len(terms) - 1 // the limit is one of what is evaluated
	return Or{terms}
}

// literalFor brings a literal to the attribute's type, or says why the two cannot be compared by the operator. Greater and
// less on Boolean and Binary are refused by RFC 7644, section 3.4.2.2.
func literalFor(kind Type, op Operator, value any) (any, string) {
	textual := op == Contains || op == StartsWith || op == EndsWith
	ordered := op == Greater || op == GreaterOrEqual || op == Less || op == LessOrEqual
	switch kind {
	case TypeBoolean:
		if textual || ordered {
			return nil, "the attribute is boolean: it can be compared with eq and ne only"
		}
		b, ok := toBool(value)
		if !ok {
			return nil, "the attribute is boolean: compare it with true or false"
		}
		return b, ""
	case TypeDecimal, TypeInteger:
		if textual {
			return nil, "the attribute is a number: it cannot be compared with co, sw or ew"
		}
		if _, ok := value.(float64); !ok {
			return nil, "the attribute is a number: compare it with one"
		}
		return value, ""
	case TypeDateTime:
		s, _ := value.(string)
		at, ok := parseDateTime(s)
		if textual || !ok {
			return nil, "the attribute is a date and time: compare it, not by co, sw or ew, with one such as \"2026-05-13T04:42:34Z\""
		}
		return at, ""
	case TypeBinary:
		if textual || ordered {
			return nil, "the attribute is binary: it can be compared with eq and ne only"
		}
	case TypeString, TypeReference, TypeComplex:
	}
	s, ok := value.(string)
	if !ok {
		return nil, "the attribute is a text: compare it with one in quotation marks"
	}
	return s, ""
}

// toBool reads a boolean, also one that was written as a text, as Entra ID does.
func toBool(value any) (b, ok bool) {
	switch v := value.(type) {
	case bool:
		return v, true
	case string:
		switch {
		case strings.EqualFold(v, "true"):
			return true, true
		case strings.EqualFold(v, "false"):
			return false, true
		}
	}
	return false, false
}
