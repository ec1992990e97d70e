package simulator

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/elimity-com/scim"
	"github.com/elimity-com/scim/optional"
)

// record is what users and groups have in common. Attributes are never changed in place: a write replaces the map, so
// that readers need no copy.
type record struct {
	ID         string         `json:"id"`
	Seq        uint64         `json:"seq"` // order of creation: the order of listings
	Version    uint64         `json:"version"`
	Created    time.Time      `json:"created"`
	Modified   time.Time      `json:"modified"`
	Attributes map[string]any `json:"attributes"`
}

func (r *record) text(name string) string {
	s, _ := r.Attributes[name].(string)
	return s
}

// resource is the record for the library, which writes into the map that it is given.
func (r *record) resource() scim.Resource {
	attributes := scim.ResourceAttributes(maps.Clone(r.Attributes))
	delete(attributes, "password")
	external := optional.String{}
	if id := r.text("externalId"); id != "" {
		external = optional.NewString(id)
	}
	created, modified := r.Created, r.Modified
	return scim.Resource{
		ID: r.ID, ExternalID: external, Attributes: attributes,
		Meta: scim.Meta{Created: &created, LastModified: &modified, Version: `W/` + strconv.Quote(strconv.FormatUint(r.Version, 10))},
	}
}

type user struct {
	record
	groups map[string]struct{} // ids
}

func (u *user) enabled() bool { return u.Attributes["active"] != false }

func (u *user) userName() string { return fold(u.text("userName")) }

type group struct {
	record
	members map[string]uint64 // user id → when it was added, as a sequence number
}

// memberIDs are in the order in which they were added.
func (g *group) memberIDs() []string {
	ids := slices.Collect(maps.Keys(g.members))
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(g.members[a], g.members[b]), strings.Compare(a, b))
	})
	return ids
}

// fold is the case-insensitive form of a text (RFC 7643 §2.2).
func fold(s string) string { return strings.ToLower(s) }

// cloneObject copies a JSON object at every depth.
func cloneObject(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for name, value := range m {
		out[name] = clone(value)
	}
	return out
}

// clone copies what JSON can hold.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return cloneObject(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = clone(v[i])
		}
		return out
	default:
		return v
	}
}

// sequence is a set of ids in the order of creation: a page is a slice of it.
type sequence struct {
	ids  []string
	seqs []uint64
}

func (s *sequence) add(id string, seq uint64) {
	s.ids, s.seqs = append(s.ids, id), append(s.seqs, seq)
}

func (s *sequence) remove(seq uint64) {
	if i, ok := slices.BinarySearch(s.seqs, seq); ok {
		s.ids, s.seqs = slices.Delete(s.ids, i, i+1), slices.Delete(s.seqs, i, i+1)
	}
}
