package scim

import "strings"

// Projection says which attributes a representation has (RFC 7644, section 3.9). The zero value is not usable; with nothing
// asked for it is that of the schema.
type Projection struct {
	index   *index
	include selection // nil when attributes was not given
	exclude selection
}

// selection is a tree of canonical names in the form of a representation: attributes of an extension stand below its URN,
// sub-attributes below their attribute. nil selects the whole of what it stands for.
type selection map[string]selection

// add selects what stands below a name, or all of it.
func (s selection) add(name string, below ...string) {
	selected, there := s[name]
	switch {
	case len(below) == 0:
		s[name] = nil
	case there && selected == nil: // as a whole already
	default:
		if !there {
			selected = make(selection)
			s[name] = selected
		}
		selected.add(below[0], below[1:]...)
	}
}

// ParseProjection reads the parameters attributes and excludedAttributes, each a list of names or of texts in which names are
// separated by commas. Names that no schema has are left out. A value filter, as in emails[type eq "work"], is tolerated and
// has no effect. The error is an *Error: invalidValue when both are given, which exclude each other (RFC 7644, section 3.9).
func ParseProjection(t ResourceType, attributes, excludedAttributes []string) (Projection, error) {
	p := Projection{index: t.index}
	p.include = p.read(attributes, &t.Schema)
	p.exclude = p.read(excludedAttributes, &t.Schema)
	if p.include != nil && p.exclude != nil {
		return Projection{}, badRequest(InvalidValue, "attributes and excludedAttributes exclude each other: give one of them.")
	}
	return p, nil
}

// read is nil when no name was given at all; names that are unknown still count as given.
func (p Projection) read(lists []string, core *Schema) selection {
	var s selection
	for _, list := range lists {
		for rest := list; rest != ""; {
			var name string
			name, rest = cutName(rest)
			if name == "" {
				continue
			}
			if s == nil {
				s = make(selection)
			}
			p.selectName(s, name, core)
		}
	}
	return s
}

func (p Projection) selectName(s selection, name string, core *Schema) {
	at, ok := p.index.resolve(name)
	switch {
	case !ok:
	case at.attr == nil && at.ext == nil: // the URN of the core schema
		for i := range core.Attributes {
			s.add(core.Attributes[i].Name)
		}
	case at.attr == nil:
		s.add(at.ext.urn)
	default:
		below := []string{at.attr.Name}
		if at.sub != nil {
			below = append(below, at.sub.Name)
		}
		if at.ext != nil {
			s.add(at.ext.urn, below...)
		} else {
			s.add(below[0], below[1:]...)
		}
	}
}

// cutName takes the first name off a list, without the value filter in it.
func cutName(list string) (name, rest string) {
	var b strings.Builder
	depth, quoted := 0, false
	for i := range len(list) {
		switch c := list[i]; {
		case c == '"' && (i == 0 || list[i-1] != '\\'):
			quoted = !quoted
		case quoted:
		case c == '[':
			depth++
		case c == ']':
			depth--
		case depth > 0:
		case c == ',':
			return strings.TrimSpace(b.String()), list[i+1:]
		default:
			b.WriteByte(c)
		}
	}
	return strings.TrimSpace(b.String()), ""
}

// Needs says whether an attribute of the core schema, such as "members" or "groups", is part of the representation, so that it
// has to be read.
func (p Projection) Needs(name string) bool {
	a := p.index.core.find(name)
	return a != nil && p.shows(a.Attribute, wish{p.include, p.include != nil}, p.exclude)
}

// Whole says whether a stored Resource is part of the representation as it is: nothing of it is held back or left out.
func (p Projection) Whole() bool { return p.include == nil && p.exclude == nil && p.index.plain }

// wish is what was asked for on one level of a representation.
type wish struct {
	names selection
	given bool // else what the schema returns by default
}

func (w wish) has(name string) bool {
	_, ok := w.names[name]
	return ok
}

// below is the wish for what stands below a name that is shown.
func (w wish) below(name string) wish {
	names := w.names[name]
	return wish{names, w.given && names != nil}
}

func (p Projection) shows(a *Attribute, w wish, exclude selection) bool {
	switch a.Returned {
	case ReturnedAlways:
		return true
	case ReturnedNever:
		return false
	}
	if w.given {
		return w.has(a.Name)
	}
	below, named := exclude[a.Name]
	return a.Returned == ReturnedDefault && (!named || below != nil)
}

// Apply answers the part of a representation that is to be sent. representation is a Resource with id, schemas, meta and
// what else the server adds, and stays as it is; the result shares its values.
func (p Projection) Apply(representation map[string]any) map[string]any {
	if p.Whole() {
		return representation
	}
	out := make(map[string]any, len(representation))
	w := wish{p.include, p.include != nil}
	for name, value := range representation {
		if a, ok := p.index.core[name]; ok {
			if shown := p.attribute(a, value, w, p.exclude); shown != nil {
				out[name] = shown
			}
			continue
		}
		if e := p.index.extension(name); e != nil {
			if shown := p.extension(e, value, w); len(shown) > 0 {
				out[name] = shown
			}
		}
	}
	return out
}

func (p Projection) extension(e *extension, value any, w wish) map[string]any {
	attributes, _ := value.(map[string]any)
	below := w.below(e.urn)
	if w.given && !w.has(e.urn) {
		below = wish{given: true} // nothing but what is always returned
	}
	exclude, named := p.exclude[e.urn]
	if named && exclude == nil {
		below = wish{given: true}
	}
	out := make(map[string]any, len(attributes))
	for name, v := range attributes {
		if a := e.attrs[name]; a != nil {
			if shown := p.attribute(a, v, below, exclude); shown != nil {
				out[name] = shown
			}
		}
	}
	return out
}

// attribute is what is shown of a value, nil for nothing.
func (p Projection) attribute(a *attr, value any, w wish, exclude selection) any {
	if !p.shows(a.Attribute, w, exclude) {
		return nil
	}
	below, without := w.below(a.Name), exclude[a.Name]
	if a.Type != TypeComplex || !below.given && without == nil && alwaysShown(a.Attribute) {
		return value
	}
	if list, ok := value.([]any); ok {
		out := make([]any, 0, len(list))
		for _, e := range list {
			if parts := p.parts(a, e, below, without); len(parts) > 0 {
				out = append(out, parts)
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	}
	if parts := p.parts(a, value, below, without); len(parts) > 0 {
		return parts
	}
	return nil
}

func (p Projection) parts(a *attr, value any, w wish, exclude selection) map[string]any {
	given, _ := value.(map[string]any)
	out := make(map[string]any, len(given))
	for name, v := range given {
		if sub := a.subs[name]; sub != nil && p.shows(sub, w, exclude) {
			out[name] = v
		}
	}
	return out
}
