package scim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	maxExtensionAttributes = 100
	maxURN                 = 200 // bytes
	maxNameText            = 64  // bytes of an attribute's name
)

// NewExtension checks the schema of an organization's own extension of User and fills in the defaults of RFC 7643, section
// 2.2: type string, mutability readWrite, returned default (never for writeOnly), uniqueness none. The error names the
// attribute and what to change. Beyond the RFC, which leaves it open:
//
//   - mutability readOnly is refused, because nothing would ever set the attribute, and uniqueness other than none, because
//     it would not be enforced;
//   - sub-attributes have one value each;
//   - values other than canonicalValues are refused in requests, and those that differ in case only are spelled as here.
func NewExtension(s Schema) (Schema, error) {
	if err := checkURN(s.ID); err != nil {
		return Schema{}, err
	}
	if s.Name == "" {
		return Schema{}, fmt.Errorf("schema %s has no name", s.ID)
	}
	attributes, err := checkAttributes(s.Attributes, "")
	if err != nil {
		return Schema{}, fmt.Errorf("schema %s: %w", s.ID, err)
	}
	s.Attributes = attributes
	return s, nil
}

func checkURN(urn string) error {
	folded := strings.ToLower(urn)
	switch {
	case len(urn) > maxURN || !isName(urn) || !strings.HasPrefix(urn, "urn:") || strings.Count(urn, ":") < 2 || strings.HasSuffix(urn, ":"):
		return fmt.Errorf("schema %q: the id must be a URN, with urn: in lower case, such as urn:example:params:scim:schemas:extension:acme:2.0:User", urn)
	case strings.HasPrefix(folded, "urn:ietf:params:scim:schemas:core:"), strings.HasPrefix(folded, "urn:ietf:params:scim:api:"),
		equalName(urn, EnterpriseSchema):
		return fmt.Errorf("schema %s: the id belongs to a schema of RFC 7643 or RFC 7644; choose one of your own", urn)
	}
	return nil
}

func checkAttributes(given []Attribute, parent string) ([]Attribute, error) {
	if len(given) == 0 || len(given) > maxExtensionAttributes {
		return nil, fmt.Errorf("%sit must have 1 to %d attributes", prefix(parent), maxExtensionAttributes)
	}
	seen := make(map[string]bool, len(given))
	out := make([]Attribute, len(given))
	for i, a := range given {
		name := parent + a.Name
		if !isAttributeName(a.Name, parent != "") {
			return nil, fmt.Errorf("attribute %q: a name begins with a letter and has letters, digits, - and _ only, at most %d", name, maxNameText)
		}
		if seen[Fold(a.Name)] {
			return nil, fmt.Errorf("attribute %s is there twice; the case of a name means nothing", name)
		}
		seen[Fold(a.Name)] = true
		checked, err := checkAttribute(a, parent)
		if err != nil {
			return nil, fmt.Errorf("attribute %s: %w", name, err)
		}
		out[i] = checked
	}
	return out, nil
}

func prefix(parent string) string {
	if parent == "" {
		return ""
	}
	return "attribute " + strings.TrimSuffix(parent, ".") + ": "
}

// isAttributeName is ATTRNAME of RFC 7643, section 2.1, without those names that mean something to the protocol.
func isAttributeName(name string, sub bool) bool {
	if name == "$ref" {
		return sub
	}
	if name == "" || len(name) > maxNameText || strings.ContainsAny(name, "$.:/") || !isName(name) || name[0]|0x20 < 'a' || name[0]|0x20 > 'z' {
		return false
	}
	return sub || !slices.Contains([]string{"schemas", "id", "externalid", "meta"}, Fold(name))
}

func checkAttribute(a Attribute, parent string) (Attribute, error) {
	setDefaults(&a)
	switch {
	case !slices.Contains([]Type{
		TypeString, TypeBoolean, TypeDecimal, TypeInteger, TypeDateTime, TypeBinary, TypeReference, TypeComplex,
	}, a.Type):
		return a, fmt.Errorf("type %q is none of RFC 7643, section 2.3", a.Type)
	case !slices.Contains([]string{ReadWrite, Immutable, WriteOnly}, a.Mutability):
		return a, fmt.Errorf("mutability %q must be readWrite, immutable or writeOnly", a.Mutability)
	case !slices.Contains([]string{ReturnedAlways, ReturnedNever, ReturnedDefault, ReturnedRequest}, a.Returned):
		return a, fmt.Errorf("returned %q must be always, never, default or request", a.Returned)
	case a.Mutability == WriteOnly && a.Returned != ReturnedNever:
		return a, errors.New("returned must be never, because the attribute is writeOnly")
	case a.Uniqueness != UniqueNone:
		return a, errors.New("uniqueness must be none: that of custom attributes is not enforced")
	case len(a.CanonicalValues) > 0 && a.Type != TypeString && a.Type != TypeReference:
		return a, errors.New("canonicalValues are for texts only")
	case slices.Contains(a.CanonicalValues, ""):
		return a, errors.New("canonicalValues must not be empty texts")
	case len(a.ReferenceTypes) > 0 && a.Type != TypeReference:
		return a, errors.New("referenceTypes are for type reference only")
	case parent != "" && a.Name == "primary" && a.Type != TypeBoolean:
		return a, errors.New("a sub-attribute of this name must be boolean (RFC 7643, section 2.4)")
	case parent != "" && (a.Type == TypeComplex || a.MultiValued):
		return a, errors.New("a sub-attribute can be neither complex nor multi-valued")
	case a.Type != TypeComplex && len(a.SubAttributes) > 0:
		return a, errors.New("subAttributes are for type complex only")
	case a.Type != TypeComplex:
		return a, nil
	}
	var err error
	a.SubAttributes, err = checkAttributes(a.SubAttributes, a.Name+".")
	return a, err
}

func setDefaults(a *Attribute) {
	fill := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	if a.Type == "" {
		a.Type = TypeString
	}
	fill(&a.Mutability, ReadWrite)
	if a.Mutability == WriteOnly {
		fill(&a.Returned, ReturnedNever)
	}
	fill(&a.Returned, ReturnedDefault)
	fill(&a.Uniqueness, UniqueNone)
	switch a.Type {
	case TypeBinary:
		a.CaseExact = true // RFC 7643, section 2.3.6
	case TypeReference:
		a.CaseExact = true // section 2.3.7
		if len(a.ReferenceTypes) == 0 {
			a.ReferenceTypes = []string{"external"}
		}
	case TypeString:
	default:
		a.CaseExact = false // it means nothing there
	}
}
