package identity

import (
	"maps"
	"slices"
)

// Text is the attribute of the given JSON name, "" when it is empty or not a text attribute.
func (a Attributes) Text(name string) string {
	for _, field := range textFields {
		if field.name == name {
			return *field.of(&a)
		}
	}
	return ""
}

// Text is the text that the patch gives a field, "" when it gives none or clears it.
func (p Patch) Text(field string) string { return patchText(p[field]) }

// Fields names the fields that the patch speaks of, in order: what the record may say of it without saying a value.
func (p Patch) Fields() []string { return slices.Sorted(maps.Keys(p)) }
