package scim

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/tenurehq/tenure/internal/scim"
)

// A reference to a resource that the same Bulk request makes stands where its id would: "bulkId:" and the bulkId of the
// operation (RFC 7644, section 3.7.2), as a text of its own in the data, in the filter of a PATCH path, or in the path of
// an operation.
const referencePrefix = "bulkId:"

// references are the bulkIds that the data of an operation refer to. Only those count that the request defines, so that a
// name that looks like one stays a name.
func references(data []byte, defined func(id string) bool) []string {
	var found []string
	eachReference(data, func(id string) (string, bool) {
		if defined(id) {
			found = append(found, id)
		}
		return "", false
	})
	return found
}

// resolve puts ids in the place of references; those that are not known stay.
func resolve(data []byte, known map[string]string) []byte {
	return eachReference(data, func(id string) (string, bool) {
		resource, ok := known[id]
		return resource, ok
	})
}

// eachReference asks, for each reference in JSON, what to put in its place. It leaves the rest as it was written, the order
// of keys too, which a PATCH depends on.
func eachReference(data []byte, replace func(id string) (string, bool)) []byte {
	if !bytes.Contains(data, []byte(referencePrefix)) {
		return data
	}
	var out []byte
	for len(data) > 0 {
		start := bytes.IndexByte(data, '"')
		if start < 0 {
			break
		}
		end := textEnd(data, start)
		out = append(out, data[:start]...)
		out = append(out, replaceIn(data[start:end], replace)...)
		data = data[end:]
	}
	return append(out, data...)
}

// textEnd is where the JSON text ends that begins at start.
func textEnd(data []byte, start int) int {
	for i := start + 1; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(data)
}

// replaceIn answers a JSON text with what replaces the references in it: a text that is one, or those in quotation marks, as
// in members[value eq "bulkId:ada"].
func replaceIn(raw []byte, replace func(id string) (string, bool)) []byte {
	var text string
	if !bytes.Contains(raw, []byte(referencePrefix)) || json.Unmarshal(raw, &text) != nil {
		return raw
	}
	if id, ok := strings.CutPrefix(text, referencePrefix); ok {
		if resource, ok := replace(id); ok {
			return quoted(resource)
		}
		return raw
	}
	changed := false
	parts := strings.Split(text, `"`)
	for i, part := range parts {
		if id, ok := strings.CutPrefix(part, referencePrefix); ok {
			if resource, ok := replace(id); ok {
				parts[i], changed = resource, true
			}
		}
	}
	if !changed {
		return raw
	}
	return quoted(strings.Join(parts, `"`))
}

func quoted(text string) []byte {
	raw, err := json.Marshal(text)
	if err != nil {
		panic(err) // a text is always JSON
	}
	return raw
}

// known leaves out the members that are not there yet.
func (c call) known(members []scim.Member) []scim.Member {
	if !c.partial {
		return members
	}
	return slices.DeleteFunc(slices.Clone(members), func(m scim.Member) bool { return strings.HasPrefix(m.Value, referencePrefix) })
}

// knownManager leaves out the manager who is not there yet.
func (c call) knownManager(r scim.Resource) scim.Resource {
	enterprise := r.Extension(scim.EnterpriseSchema)
	manager, _ := enterprise["manager"].(map[string]any)
	if id, _ := manager["value"].(string); !c.partial || !strings.HasPrefix(id, referencePrefix) {
		return r
	}
	r = maps.Clone(r)
	rest := maps.Clone(enterprise)
	delete(rest, "manager")
	if len(rest) == 0 {
		delete(r, scim.EnterpriseSchema)
	} else {
		r[scim.EnterpriseSchema] = rest
	}
	return r
}
