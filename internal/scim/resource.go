package scim

// Resource is what is stored of a User or Group, as canonical JSON: attribute names are spelled as in the schema, attributes
// of an extension stand below its URN, values have the Go type of their declared type (see Type), complex ones are
// map[string]any, multi-valued ones []any. It holds no null, no empty text, array or object, and no password.
//
// It is without id, schemas, meta and groups, which the server makes, and for Groups without members, which are rows of
// their own. A caller that wants to evaluate filters over those puts them in under their names.
type Resource map[string]any

// Text is the value of a single-valued text attribute of the core schema, "" when it is unassigned.
func (r Resource) Text(name string) string {
	s, _ := r[name].(string)
	return s
}

// Extension is the part of the resource that belongs to an extension, nil when nothing of it is assigned. It must not be
// changed.
func (r Resource) Extension(urn string) map[string]any {
	m, _ := r[urn].(map[string]any)
	return m
}
