package scim

// operation is one PATCH operation (RFC 7644 §3.5.2).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

type patchRequest struct {
	Schemas    []string    `json:"schemas"`
	Operations []operation `json:"Operations"`
}

func newPatch(ops ...operation) patchRequest {
	return patchRequest{Schemas: []string{messagePatch}, Operations: ops}
}

// needsCurrent reports whether the operations depend on what the account holds now: a replace behind a filter that
// selects nothing fails with noTarget (RFC 7644 §3.5.2.3), targets differ on removing what is not there, and a replace
// of a complex attribute keeps the sub-attributes it does not name.
func needsCurrent(changes []change) bool {
	for _, c := range changes {
		_, complexValue := c.value.(map[string]any)
		if c.value == nil || c.key.filterAttr != "" || complexValue {
			return true
		}
	}
	return false
}

// patchOperations are the operations that make current equal to the changes. Current is nil when needsCurrent says so.
func patchOperations(current resource, changes []change) []operation {
	var ops []operation
	additions := resource{}
	var added []key
	for _, c := range changes {
		_, complexValue := c.value.(map[string]any)
		switch {
		case c.value == nil:
			ops = append(ops, removal(current, c.key)...)
		case c.key.filterAttr != "" && current.element(c.key) == nil:
			// Collected, since several keys may speak of one element that is not there yet.
			if additions.container(c.key, true)[c.key.attr] == nil {
				added = append(added, c.key)
			}
			additions.set(c.key, c.value)
		case complexValue && current.find(c.key) != nil:
			ops = append(ops, operation{Op: "remove", Path: c.key.String()}, operation{Op: "add", Path: c.key.String(), Value: c.value})
		default:
			ops = append(ops, operation{Op: "replace", Path: c.key.String(), Value: c.value})
		}
	}
	for _, k := range added {
		ops = append(ops, operation{Op: "add", Path: k.list(), Value: additions.container(k, false)[k.attr]})
	}
	return ops
}

func removal(current resource, k key) []operation {
	switch {
	case current.find(k) == nil:
		return nil
	case k.filterAttr != "" && k.sub == "value":
		return []operation{{Op: "remove", Path: k.element()}}
	default:
		return []operation{{Op: "remove", Path: k.String()}}
	}
}
