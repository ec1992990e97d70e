package scim

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strings"

	"github.com/tenurehq/tenure/connectors"
)

// resource is a SCIM resource with names in their canonical spelling.
type resource map[string]any

// decodeResource reads a resource and refuses whatever is not one: text, null, a list, an object without an id.
func decodeResource(body []byte) (resource, error) {
	var raw map[string]any
	if err := json.Unmarshal(body, &raw); err != nil {
		return nil, errors.New("the body is not a JSON object")
	}
	r := resource(respellObject(raw))
	if r.id() == "" {
		return nil, errors.New("the body holds no id")
	}
	return r, nil
}

// respellObject gives every known attribute name its canonical spelling, at every depth.
func respellObject(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for name, value := range m {
		out[canonicalName(name)] = respell(value)
	}
	return out
}

func respell(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return respellObject(v)
	case []any:
		for i := range v {
			v[i] = respell(v[i])
		}
	}
	return v
}

func (r resource) text(name string) string {
	s, _ := r[name].(string)
	return s
}

func (r resource) id() string { return r.text("id") }

// account reads a User. An absent "active" counts as enabled (RFC 7643 §4.1.1 leaves it open): a target that does not
// say that an account is disabled has not shown it. Some targets write the boolean as text.
func (r resource) account() (connectors.Account, error) {
	if r.text("userName") == "" {
		return connectors.Account{}, errors.New("the user has no userName")
	}
	a := connectors.Account{NativeID: r.id(), Enabled: true, Attributes: r.flatten()}
	switch active := r["active"].(type) {
	case nil:
	case bool:
		a.Enabled = active
	case string:
		a.Enabled = !strings.EqualFold(active, "false")
		if a.Enabled && !strings.EqualFold(active, "true") {
			return connectors.Account{}, errors.New(`the user's "active" is neither true nor false`)
		}
	default:
		return connectors.Account{}, errors.New(`the user's "active" is neither true nor false`)
	}
	return a, nil
}

// flatten writes the attributes under their canonical keys; the package comment says which.
func (r resource) flatten() map[string]any {
	out := make(map[string]any)
	for name, value := range r {
		if _, skip := unwritable[name]; skip || name == "password" || value == nil {
			continue
		}
		extension, ok := value.(map[string]any)
		if ok && strings.HasPrefix(strings.ToLower(name), "urn:") {
			for attr, v := range extension {
				flattenAttribute(out, key{urn: name, attr: attr}, v)
			}
			continue
		}
		flattenAttribute(out, key{attr: name}, value)
	}
	return out
}

func flattenAttribute(out map[string]any, k key, value any) {
	if value == nil {
		return
	}
	out[k.String()] = value
	switch value := value.(type) {
	case map[string]any:
		flattenParts(out, k, value)
	case []any:
		for _, item := range value {
			element, ok := item.(map[string]any)
			if !ok {
				continue
			}
			if kind, ok := element["type"].(string); ok {
				flattenParts(out, key{urn: k.urn, attr: k.attr, filterAttr: "type", filterValue: kind}, element)
			}
			if element["primary"] == true {
				flattenParts(out, key{urn: k.urn, attr: k.attr, filterAttr: "primary", filterValue: true}, element)
			}
		}
	}
}

// flattenParts leaves a key that is there already: of several elements that match a filter the first counts, as it
// does for find.
func flattenParts(out map[string]any, k key, parts map[string]any) {
	for sub, v := range parts {
		k.sub = sub
		if _, taken := out[k.String()]; !taken && v != nil {
			out[k.String()] = v
		}
	}
}

// container is the object that holds the key's attribute: the resource itself, or an extension of it.
func (r resource) container(k key, create bool) map[string]any {
	if k.urn == "" {
		return r
	}
	m, ok := r[k.urn].(map[string]any)
	if !ok && create {
		m = map[string]any{}
		r[k.urn] = m
	}
	return m
}

// element is the first element that the key's filter selects.
func (r resource) element(k key) map[string]any {
	items, _ := r.container(k, false)[k.attr].([]any)
	for _, item := range items {
		if element, ok := item.(map[string]any); ok && element[k.filterAttr] == k.filterValue {
			return element
		}
	}
	return nil
}

// find is the value under the key, nil when there is none.
func (r resource) find(k key) any {
	switch {
	case k.filterAttr != "":
		return r.element(k)[k.sub]
	case k.sub != "":
		parts, _ := r.container(k, false)[k.attr].(map[string]any)
		return parts[k.sub]
	default:
		return r.container(k, false)[k.attr]
	}
}

// values are all values that a filter with the key compares: those of every element, for a multi-valued attribute.
func (r resource) values(k key) []any {
	items, multi := r.container(k, false)[k.attr].([]any)
	if !multi {
		if v := r.find(k); v != nil {
			return []any{v}
		}
		return nil
	}
	var values []any
	for _, item := range items {
		element, ok := item.(map[string]any)
		switch {
		case !ok && k.sub == "":
			values = append(values, item)
		case ok && (k.filterAttr == "" || element[k.filterAttr] == k.filterValue) && element[k.sub] != nil:
			values = append(values, element[k.sub])
		}
	}
	return values
}

// set makes the value under the key equal to value; nil removes it. Removing the "value" of an element removes the
// element, which means nothing without it.
func (r resource) set(k key, value any) {
	container := r.container(k, value != nil)
	switch {
	case container == nil:
	case k.filterAttr != "":
		r.setInElement(k, container, value)
	case k.sub == "":
		put(container, k.attr, value)
	default:
		parts, ok := container[k.attr].(map[string]any)
		if !ok {
			if value == nil {
				return
			}
			parts = map[string]any{}
			container[k.attr] = parts
		}
		put(parts, k.sub, value)
	}
}

func (r resource) setInElement(k key, container map[string]any, value any) {
	element := r.element(k)
	items, _ := container[k.attr].([]any)
	switch {
	case element != nil && value == nil && k.sub == "value":
		kept := make([]any, 0, len(items))
		for _, item := range items {
			if !reflect.DeepEqual(item, any(element)) {
				kept = append(kept, item)
			}
		}
		container[k.attr] = kept
	case element != nil:
		put(element, k.sub, value)
	case value != nil:
		container[k.attr] = append(items, map[string]any{k.filterAttr: k.filterValue, k.sub: value})
	}
}

func put(m map[string]any, name string, value any) {
	if value == nil {
		delete(m, name)
		return
	}
	m[name] = value
}

// listSchemas sets "schemas" to the core schema and the extensions in use (RFC 7643 §3).
func (r resource) listSchemas() {
	schemas := []string{schemaUser}
	for name := range r {
		if strings.HasPrefix(strings.ToLower(name), "urn:") {
			schemas = append(schemas, name)
		}
	}
	r["schemas"] = schemas
}

// change is one attribute of a wish, its key parsed.
type change struct {
	key   key
	value any
}

// parseChanges parses the keys of a wish and puts them in order of their canonical form, so that requests are
// repeatable. A key that stands for a part of another one, or twice, would leave the outcome to that order: an error.
func parseChanges(attributes map[string]any) ([]change, error) {
	changes := make([]change, 0, len(attributes))
	for name, value := range attributes {
		k, err := parseKey(name)
		if err != nil {
			return nil, err
		}
		changes = append(changes, change{key: k, value: value})
	}
	sort.Slice(changes, func(i, j int) bool { return changes[i].key.String() < changes[j].key.String() })
	whole := make(map[string]bool)
	for _, c := range changes {
		if name := c.key.String(); name == c.key.list() {
			if whole[name] {
				return nil, fmt.Errorf("attribute key %s is given twice, in two spellings", name)
			}
			whole[name] = true
		}
	}
	seen := make(map[string]bool)
	for _, c := range changes {
		name := c.key.String()
		if name != c.key.list() && (whole[c.key.list()] || seen[name]) {
			return nil, fmt.Errorf("attribute key %s overlaps another key: name the whole attribute or its parts", name)
		}
		seen[name] = true
	}
	return changes, nil
}
