package scim

import (
	"bytes"
	"strings"
)

// An organization may drop an extension of its own, or an attribute of one, and with it goes what was said of who may see
// it. What is stored of that stays until the resource is next written, and nobody is shown it.

// Declared reports whether what is stored has nothing but attributes that are declared for good: no extension but the
// enterprise one. It may answer no for such a resource, where a text looks like a URN.
func (t ResourceType) Declared(stored []byte) bool {
	for {
		_, after, found := bytes.Cut(stored, []byte(`"urn:`))
		if !found {
			return true
		}
		if !bytes.HasPrefix(after, []byte(EnterpriseSchema[len("urn:"):]+`"`)) {
			return false
		}
		stored = after
	}
}

// forget leaves out what is not declared.
func (x *index) forget(r Resource) {
	for key, value := range r {
		if !strings.Contains(key, ":") {
			continue // the core schemas never change
		}
		fields, _ := value.(map[string]any)
		e := x.extension(key)
		for name, v := range fields {
			if e == nil {
				break
			}
			if a := e.attrs.find(name); a == nil {
				delete(fields, name)
			} else {
				a.forget(v)
			}
		}
		if e == nil || len(fields) == 0 {
			delete(r, key)
		}
	}
}

// forget leaves sub-attributes that are not declared out of a complex value, or the values of one.
func (a *attr) forget(value any) {
	if a.Type != TypeComplex {
		return
	}
	switch v := value.(type) {
	case map[string]any:
		for name := range v {
			if a.sub(name) == nil {
				delete(v, name)
			}
		}
	case []any:
		for _, element := range v {
			a.forget(element)
		}
	}
}
