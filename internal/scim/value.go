package scim

import (
	"encoding/base64"
	"slices"
	"strings"
)

// shaper brings values as clients send them to their canonical form (see Resource). It takes what real clients send instead
// of what they should: booleans as texts, one object where a list belongs, texts for the objects of a list, a reference such
// as manager as a bare text or a list of one, simple values as [{"value": …}], empty texts for what is unassigned. Any other
// JSON type than the attribute's is refused, and never taken for "unassigned": that would lose what is stored.
type shaper struct {
	unknown []string // attributes that no schema has, as the client spelled them
}

// report notes an unknown attribute.
func (s *shaper) report(parts ...string) {
	name := strings.Join(parts, "")
	if len(name) > 100 {
		name = strings.ToValidUTF8(name[:100], "")
	}
	if len(s.unknown) < maxUnknown && !slices.Contains(s.unknown, name) {
		s.unknown = append(s.unknown, name)
	}
}

// attribute is the canonical value of an attribute, nil when it is unassigned.
func (s *shaper) attribute(a *attr, v any) (any, *Error) {
	switch {
	case a.MultiValued:
		list, err := s.list(a, v)
		if len(list) == 0 || err != nil {
			return nil, err
		}
		return list, nil
	case a.Type == TypeComplex:
		m, err := s.complex(a, v, false)
		if len(m) == 0 || err != nil {
			return nil, err
		}
		return m, nil
	}
	return s.simple(a.Attribute, nil, a.closed, unwrapped(v))
}

// list is the canonical value of a multi-valued attribute: without duplicates and empty elements, with one primary at most.
func (s *shaper) list(a *attr, v any) ([]any, *Error) {
	if isNothing(v) {
		return nil, nil
	}
	given, ok := v.([]any)
	if !ok {
		o, isObject := v.(object)
		if a.Type == TypeComplex && !isObject || isObject && len(o) == 0 {
			return nil, badRequest(InvalidValue, "%s must be a list.", a.Name)
		}
		given = []any{v}
	}
	if len(given) > MaxElements {
		return nil, badRequest(InvalidValue, "%s has more than %d values.", a.Name, MaxElements)
	}
	list := make([]any, 0, len(given))
	primaries := 0
	for _, g := range given {
		e, err := s.listElement(a, g)
		if err != nil {
			return nil, err
		}
		if e == nil {
			continue
		}
		if isPrimary(e) {
			primaries++
		}
		list = append(list, e)
	}
	if primaries > 1 {
		return nil, badRequest(InvalidValue, "%s has more than one value that is primary.", a.Name)
	}
	return withoutDuplicates(list), nil
}

func (s *shaper) listElement(a *attr, v any) (any, *Error) {
	if _, isList := v.([]any); isList {
		return nil, badRequest(InvalidValue, "%s must not have a list as one of its values.", a.Name)
	}
	if a.Type != TypeComplex {
		return s.simple(a.Attribute, nil, a.closed, inner(v))
	}
	m, err := s.complex(a, v, false)
	if err != nil || isHollow(a, m) {
		return nil, err
	}
	return m, nil
}

func isPrimary(element any) bool {
	m, _ := element.(map[string]any)
	return m["primary"] == true
}

// isHollow says whether an element labels a value and has none: {"type": "work"} is what is left of an email address that
// was unassigned.
func isHollow(a *attr, element map[string]any) bool {
	for name := range element {
		if name != "type" && name != "primary" {
			return false
		}
	}
	for i := range a.SubAttributes {
		if name := a.SubAttributes[i].Name; name != "type" && name != "primary" {
			return true
		}
	}
	return len(element) == 0
}

func withoutDuplicates(list []any) []any {
	if len(list) < 8 {
		return withoutFewDuplicates(list)
	}
	seen := make(map[string]struct{}, len(list))
	kept := list[:0]
	var room [256]byte
	for _, e := range list {
		key := AppendJSON(room[:0], e)
		if _, twice := seen[string(key)]; !twice {
			seen[string(key)] = struct{}{}
			kept = append(kept, e)
		}
	}
	return kept
}

// withoutFewDuplicates compares each with each, which is faster for a few.
func withoutFewDuplicates(list []any) []any {
	kept := list[:0]
	for _, e := range list {
		if !slices.ContainsFunc(kept, func(k any) bool { return equal(k, e) }) {
			kept = append(kept, e)
		}
	}
	return kept
}

// complex is the canonical form of one complex value, nil or empty when it is unassigned. With keepNull sub-attributes that
// were sent as null or empty stay, as nil, for a PATCH to unassign them.
func (s *shaper) complex(a *attr, v any, keepNull bool) (map[string]any, *Error) {
	isReference := a.sub("value") != nil // Entra ID sends the manager as a list, too
	if list, ok := v.([]any); ok && isReference && len(list) < 2 {
		v = nil
		if len(list) == 1 {
			v = list[0]
		}
	}
	if isNothing(v) {
		return nil, nil
	}
	o, ok := v.(object)
	if !ok {
		if _, isList := v.([]any); isList || !isReference {
			return nil, badRequest(InvalidValue, "%s must be an object.", a.Name)
		}
		o = object{{"value", v}}
	}
	m := make(map[string]any, len(o))
	for i := range o {
		sub := a.sub(o[i].name)
		if sub == nil {
			s.report(a.Name, ".", o[i].name)
			continue
		}
		if sub.Mutability == ReadOnly {
			continue
		}
		value, err := s.simple(sub, a.Attribute, a.closed, o[i].value)
		if err != nil {
			return nil, err
		}
		if value != nil || keepNull {
			m[sub.Name] = value
		}
	}
	return m, nil
}

// isNothing says whether a value means that an attribute is unassigned, whatever its type is: null (RFC 7643, section 2.5), and
// the empty text, which clients send as well. The empty list means it for a multi-valued attribute.
func isNothing(v any) bool { return v == nil || v == "" }

// isNone says whether a value means that a multi-valued attribute is unassigned.
func isNone(v any) bool {
	list, ok := v.([]any)
	return isNothing(v) || ok && len(list) == 0
}

// simple is the canonical form of one simple value, nil when it is unassigned. parent is the complex attribute that it is
// part of, or nil.
func (s *shaper) simple(a, parent *Attribute, closed bool, v any) (any, *Error) {
	if isNothing(v) {
		return nil, nil
	}
	switch a.Type {
	case TypeBoolean:
		if b, ok := toBool(v); ok {
			return b, nil
		}
		return nil, wrong(a, parent, "must be true or false")
	case TypeInteger:
		if n, ok := v.(int64); ok {
			return n, nil
		}
		return nil, wrong(a, parent, "must be a whole number")
	case TypeDecimal:
		if f, ok := toFloat(v); ok {
			return f, nil
		}
		return nil, wrong(a, parent, "must be a number")
	default: // texts
	}
	text, ok := v.(string)
	if !ok {
		return nil, wrong(a, parent, "must be a text")
	}
	canonical, problem := checkText(a, parent, closed, text)
	switch {
	case problem != "":
		return nil, wrong(a, parent, problem)
	case canonical == text:
		return v, nil // as it is, which saves an allocation for each text
	}
	return canonical, nil
}

// unwrapped is the value in [{"$ref": null, "value": "x"}]: Entra ID has sent simple attributes in this form.
func unwrapped(v any) any {
	if list, ok := v.([]any); ok && len(list) == 1 {
		if o, ok := list[0].(object); ok {
			return inner(o)
		}
	}
	return v
}

// inner is the value in {"value": "x"}: Entra ID sends elements of a simple type in this form.
func inner(v any) any {
	if o, ok := v.(object); ok {
		if in, has := o.find("value"); has {
			return in
		}
	}
	return v
}

func wrong(a, parent *Attribute, problem string) *Error {
	return badRequest(InvalidValue, "%s %s.", fullName(a, parent), problem)
}

func fullName(a, parent *Attribute) string {
	if parent == nil {
		return a.Name
	}
	return parent.Name + "." + a.Name
}

// checkText is the canonical form of a text, or what is wrong with it.
func checkText(a, parent *Attribute, closed bool, text string) (canonical, problem string) {
	switch a.Type {
	case TypeDateTime:
		if _, ok := parseDateTime(text); !ok {
			return "", "must be a date and time such as \"2026-05-13T04:42:34Z\""
		}
		if !strings.HasSuffix(text, "Z") && strings.LastIndexAny(text, "+-") < len("2006-01-02T") {
			text += "Z"
		}
		return text, ""
	case TypeBinary:
		if !isBase64(text) {
			return "", "must be base64"
		}
		return text, ""
	default:
	}
	if len(text) > MaxKeyText && isKey(a, parent) {
		return "", "is too long"
	}
	for _, c := range a.CanonicalValues {
		if text == c || !a.CaseExact && strings.EqualFold(text, c) {
			return c, ""
		}
	}
	if closed && len(a.CanonicalValues) > 0 {
		return "", "must be one of the schema's canonical values"
	}
	return text, ""
}

// isKey says whether texts of the attribute are limited to MaxKeyText.
func isKey(a, parent *Attribute) bool {
	if parent == nil {
		return a.Name == "userName" || a.Name == "externalId" || a.Name == "displayName"
	}
	return parent.Name == "emails" && a.Name == "value"
}

// isBase64 reads both alphabets of RFC 4648, with and without padding (RFC 7643, section 2.3.6).
func isBase64(s string) bool {
	s = strings.TrimRight(s, "=\r\n")
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(s, "-_") {
		encoding = base64.RawURLEncoding
	}
	_, err := encoding.DecodeString(s)
	return err == nil
}
