package scim

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The grammar is read here and not by scim2/filter-parser, which the tests hold against it as a second opinion: version 2.2.0
// refuses what RFC 7644 allows (three comparisons in a value filter, brackets in one, a hyphen in a URN, \u escapes with
// small letters), leaves escapes in texts, and takes 2,000 allocations for userName eq "x".

// ParseFilter reads a filter on resources of one type (RFC 7644, section 3.4.2.2). Its error is an *Error: invalidFilter, or
// tooMany when there are more than MaxFilterTerms comparisons.
func ParseFilter(t ResourceType, text string) (Filter, error) {
	return parseFilter(&filterParser{text: text, index: t.index, maxTerms: MaxFilterTerms, typeName: t.Name})
}

// ParseRootFilter reads a filter on resources of several types, once for each of them. There an attribute that the type
// lacks is no error but unassigned (RFC 7644, section 3.4.2.1).
func ParseRootFilter(t ResourceType, text string) (Filter, error) {
	p := filterParser{text: text, index: t.index, maxTerms: MaxFilterTerms, typeName: t.Name, unknownIsUnassigned: true}
	return parseFilter(&p)
}

func parseFilter(p *filterParser) (Filter, error) {
	if len(p.text) > MaxFilterText {
		return nil, badRequest(InvalidFilter, "The filter is longer than %d bytes.", MaxFilterText)
	}
	if !utf8.ValidString(p.text) {
		return nil, badRequest(InvalidFilter, "The filter is not valid UTF-8.")
	}
	f, err := p.parseAll()
	if err != nil {
		return nil, err
	}
	return f, nil
}

// filterParser reads a filter by recursive descent. Errors tell the position, never the text, which may name a person.
type filterParser struct {
	text  string
	at    int
	depth int
	terms int

	maxTerms            int
	index               *index
	element             *attr // inside a value filter: the attribute whose elements it selects
	unknownIsUnassigned bool
	inUnknown           bool // inside a value filter on an attribute that the type lacks
	typeName            string
}

func (p *filterParser) parseAll() (Filter, *Error) {
	p.space()
	f, err := p.parseOr()
	if err != nil {
		return nil, err
	}
	p.space()
	if p.at < len(p.text) {
		return nil, p.refuse("expected the end, \"and\" or \"or\"")
	}
	return f, nil
}

func (p *filterParser) refuse(what string) *Error {
	return badRequest(InvalidFilter, "The filter is malformed at character %d: %s.", utf8.RuneCountInString(p.text[:p.at])+1, what)
}

func (p *filterParser) space() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t') {
		p.at++
	}
}

// accept takes one character.
func (p *filterParser) accept(c byte) bool {
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

// word takes everything up to a space or a bracket.
func (p *filterParser) word() string {
	start := p.at
	for p.at < len(p.text) && strings.IndexByte(" \t()[]\"", p.text[p.at]) < 0 {
		p.at++
	}
	return p.text[start:p.at]
}

// keyword takes a logical operator, in any case.
func (p *filterParser) keyword(k string) bool {
	start := p.at
	p.space()
	if strings.EqualFold(p.word(), k) {
		return true
	}
	p.at = start
	return false
}

func (p *filterParser) parseOr() (Filter, *Error) {
	return p.list("or", p.parseAnd, func(terms []Filter) Filter { return Or{terms} })
}

func (p *filterParser) parseAnd() (Filter, *Error) {
	return p.list("and", p.parseTerm, func(terms []Filter) Filter { return And{terms} })
}

// list reads what a logical operator joins. A single term stays what it is.
func (p *filterParser) list(operator string, parse func() (Filter, *Error), join func([]Filter) Filter) (Filter, *Error) {
	first, err := parse()
	if err != nil || !p.keyword(operator) {
		return first, err
	}
	terms := []Filter{first}
	for {
		p.space()
		next, err := parse()
		if err != nil {
			return nil, err
		}
		terms = append(terms, next)
		if !p.keyword(operator) {
			return join(terms), nil
		}
	}
}

func (p *filterParser) parseTerm() (Filter, *Error) {
	if p.accept('(') {
		return p.group(')', p.parseOr)
	}
	start := p.at
	name := p.word()
	if name == "" {
		return nil, p.refuse("expected an attribute")
	}
	if strings.EqualFold(name, "not") {
		after := p.at
		p.space()
		if p.accept('(') {
			f, err := p.group(')', p.parseOr)
			return Not{f}, err
		}
		p.at = after
	}
	if p.accept('[') {
		return p.parseValuePath(name, start)
	}
	return p.parseComparison(name, start)
}

// group reads up to a closing bracket and counts how deep brackets go.
func (p *filterParser) group(closing byte, parse func() (Filter, *Error)) (Filter, *Error) {
	if p.depth++; p.depth > maxFilterDepth {
		return nil, badRequest(InvalidFilter, "The filter has brackets nested more than %d deep.", maxFilterDepth)
	}
	p.space()
	f, err := parse()
	if err != nil {
		return nil, err
	}
	p.space()
	if !p.accept(closing) {
		return nil, p.refuse("expected \"" + string(closing) + "\"")
	}
	p.depth--
	return f, nil
}

// parseValuePath reads on after the bracket of emails[type eq "work"].
func (p *filterParser) parseValuePath(name string, start int) (Filter, *Error) {
	if p.element != nil || p.inUnknown {
		p.at = start
		return nil, p.refuse("a value filter cannot stand in another one")
	}
	at, known := p.find(name)
	if !known && p.unknownIsUnassigned {
		// It has no values, so that none is selected (RFC 7644, section 3.4.2.1). The rest is read for its grammar.
		p.inUnknown = true
		_, err := p.valueFilter()
		p.inUnknown = false
		return Constant(false), err
	}
	if !known || at.attr == nil || at.sub != nil || at.attr.Type != TypeComplex && !at.attr.MultiValued || at.attr.Name == "schemas" {
		p.at = start
		return nil, p.refuse("a value filter needs an attribute of its own kind before it, as in emails[type eq \"work\"]")
	}
	p.element = at.attr
	inner, err := p.valueFilter()
	p.element = nil
	if err != nil {
		return nil, err
	}
	return ValuePath{at.path(), inner}, nil
}

// valueFilter reads what stands in the brackets of a value path, and what may follow them.
func (p *filterParser) valueFilter() (Filter, *Error) {
	inner, err := p.group(']', p.parseOr)
	if err != nil || !p.accept('.') {
		return inner, err
	}
	// Not in the grammar, and sent by Entra ID when emails[type eq "work"].value is its matching attribute.
	start := p.at
	last, err := p.parseComparison(p.word(), start)
	if err != nil {
		return nil, err
	}
	return And{append(terms(inner), last)}, nil
}

// terms are those of a conjunction, or the filter itself as the only one.
func terms(f Filter) []Filter {
	if and, ok := f.(And); ok {
		return and.Terms
	}
	return []Filter{f}
}

// parseComparison reads the operator and the value that follow an attribute.
func (p *filterParser) parseComparison(name string, start int) (Filter, *Error) {
	if p.terms++; p.terms > p.maxTerms {
		return nil, badRequest(TooMany, "The filter has more than %d comparisons. Ask in several requests.", p.maxTerms)
	}
	afterName := p.at
	p.space()
	opAt := p.at
	op := Operator(strings.ToLower(p.word()))
	if afterName == opAt || op == "" {
		return nil, p.refuse("expected a space and an operator after the attribute")
	}
	if op == "pr" {
		return p.present(name, start)
	}
	switch op {
	case Equal, NotEqual, Contains, StartsWith, EndsWith, Greater, GreaterOrEqual, Less, LessOrEqual:
	default:
		p.at = opAt
		return nil, p.refuse("expected one of the operators eq, ne, co, sw, ew, gt, ge, lt, le, pr")
	}
	afterOp := p.at
	p.space()
	if afterOp == p.at {
		return nil, p.refuse("expected a space and a value after the operator")
	}
	value, err := p.parseValue()
	if err != nil {
		return nil, err
	}
	return p.compare(name, start, op, value)
}

// parseValue reads a JSON text, number, true, false or null; nil is null. The words are taken in any case, because .NET
// clients write True and False.
func (p *filterParser) parseValue() (any, *Error) {
	start := p.at
	if p.at < len(p.text) && p.text[p.at] == '"' {
		s, n, problem := scanString(p.text[p.at:])
		if problem != "" {
			return nil, p.refuse(problem)
		}
		p.at += n
		if p.at < len(p.text) && strings.IndexByte(" \t)]", p.text[p.at]) < 0 {
			return nil, p.refuse("expected a space after the value")
		}
		return s, nil
	}
	switch word := p.word(); {
	case strings.EqualFold(word, "true"):
		return true, nil
	case strings.EqualFold(word, "false"):
		return false, nil
	case strings.EqualFold(word, "null"):
		return nil, nil
	case scanNumber(word) == len(word) && word != "":
		number, err := strconv.ParseFloat(word, 64)
		if err == nil && !math.IsInf(number, 0) {
			return number, nil
		}
		p.at = start
		return nil, p.refuse("the number is too large")
	}
	p.at = start
	return nil, p.refuse("expected a text in quotation marks, a number, true, false or null")
}
