package scim

import (
	"strings"
	"unicode/utf8"
)

// ParsePath reads the path of a PATCH operation (RFC 7644, section 3.5.2, figure 7). Its error is an *Error: invalidPath, or
// invalidFilter for what stands in the brackets.
func ParsePath(t ResourceType, text string) (Path, error) {
	at, filter, err := t.index.parsePath(text)
	if err != nil {
		return Path{}, err
	}
	if at.attr == nil && at.ext == nil && at.sub == nil && filter == nil && !t.index.isCore(text) {
		return Path{}, noSuchPath()
	}
	p := at.path()
	p.Filter = filter
	return p, nil
}

// ParseSortBy reads the parameter sortBy (RFC 7644, section 3.4.2.3). The path's leaf is never complex: a complex attribute is
// sorted by its sub-attribute "value". Of a multi-valued attribute the primary value counts, else the first. The error is
// an *Error, invalidValue.
func ParseSortBy(t ResourceType, text string) (Path, error) {
	at, ok := t.index.resolve(strings.TrimSpace(text))
	if ok && at.attr != nil && at.sub == nil && at.attr.Type == TypeComplex {
		at.sub = at.attr.sub("value")
		ok = at.sub != nil
	}
	if !ok || at.attr == nil || at.attr.Returned == ReturnedNever || at.sub != nil && at.sub.Returned == ReturnedNever {
		return Path{}, badRequest(InvalidValue, "sortBy must name an attribute, or a sub-attribute of a complex one.")
	}
	return at.path(), nil
}

func noSuchPath() *Error {
	return badRequest(InvalidPath, "The path is malformed or leads to no attribute of the schemas.")
}

// parsePath resolves a path. An attribute that is in no schema is no error but a location without attribute and extension.
func (x *index) parsePath(text string) (location, Filter, *Error) {
	text = strings.TrimSpace(text)
	if len(text) > MaxFilterText || !utf8.ValidString(text) {
		return location{}, nil, noSuchPath()
	}
	head, _, filtered := strings.Cut(text, "[")
	if !isName(head) {
		return location{}, nil, noSuchPath()
	}
	at, ok := x.resolve(head)
	if !ok {
		return location{}, nil, nil
	}
	if !filtered {
		return at, nil, nil
	}
	if at.attr == nil || at.sub != nil || !at.attr.MultiValued || at.attr.Name == "schemas" {
		return location{}, nil, badRequest(InvalidPath, "Only a multi-valued attribute can be followed by a value filter.")
	}
	p := filterParser{text: text, at: len(head) + 1, index: x, element: at.attr, maxTerms: maxPathTerms}
	p.space()
	filter, err := p.parseOr()
	if err != nil {
		return location{}, nil, err
	}
	p.space()
	if !p.accept(']') {
		return location{}, nil, noSuchPath()
	}
	if rest := text[p.at:]; rest != "" {
		if rest[0] != '.' {
			return location{}, nil, noSuchPath()
		}
		if at.sub = at.attr.sub(rest[1:]); at.sub == nil {
			return location{}, nil, noSuchPath()
		}
	}
	return at, filter, nil
}

// isName says whether a text could be an attribute with a URN before and a sub-attribute behind it.
func isName(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && strings.IndexByte("$-_.:/", c) < 0 {
			return false
		}
	}
	return true
}
