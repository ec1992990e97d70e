package scim

import "strings"

// Complete gives a resource what it was made without: was is what it was made with, full is what it was to be. Only what
// differs between the two is set, and only where the resource is still as it was made, so that what others have written
// since stays. stored stays as it is, and is the result when nothing changes.
func Complete(stored, was, full Resource) (result Resource, changed bool) {
	next := cloneObject(stored)
	completePart(next, was, full)
	for urn, value := range full {
		// An extension's attributes are told apart; nothing else has a colon in its name.
		part, ok := value.(map[string]any)
		if !ok || !isURN(urn) {
			continue
		}
		own, ok := next[urn].(map[string]any)
		if !ok {
			own = make(map[string]any)
		}
		if completePart(own, was.Extension(urn), part); len(own) > 0 {
			next[urn] = own
		}
	}
	if equalObjects(next, stored) {
		return stored, false
	}
	return next, true
}

func completePart(own, was, full map[string]any) {
	for name, value := range full {
		if !isURN(name) && !equal(was[name], value) && equal(own[name], was[name]) {
			own[name] = clone(value)
		}
	}
}

// isURN tells the name of a schema from that of an attribute (RFC 7643, section 2.1).
func isURN(name string) bool { return strings.IndexByte(name, ':') >= 0 }
