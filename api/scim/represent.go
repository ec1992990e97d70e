package scim

import (
	"bytes"
	"time"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/scim"
	"github.com/tenurehq/tenure/internal/store"
)

// A resource is stored as JSON and mostly goes out as it is, with what the server adds around it. It is read where something
// of it is held back, or has to be looked at for that.

// timeForm is RFC 3339 with as many digits as the database keeps, so that a client can filter by what it was shown.
const timeForm = "2006-01-02T15:04:05.000000Z07:00"

// frame is what every resource has beside its own attributes.
type frame struct {
	kind              string // the resource type
	id                uuid.UUID
	version           int64
	created, modified time.Time
	location          string
}

// appendUser appends a User as a client sees it.
func appendUser(dst []byte, t scim.ResourceType, p scim.Projection, base string, u *store.ScimUser) ([]byte, error) {
	f := frame{t.Name, u.ID, u.Version, u.CreatedAt, u.ModifiedAt, base + t.Endpoint + "/" + u.ID.String()}
	if p.Whole() && t.Declared(u.Resource) {
		dst = f.open(dst, t, u.Resource)
		if len(u.Groups) > 0 {
			dst = append(dst, `,"groups":[`...)
			for i := range u.Groups {
				dst = appendRelated(dst, i, base, related{u.Groups[i].ID, "/Groups/", "direct", u.Groups[i].Display})
			}
			dst = append(dst, ']')
		}
		return f.close(dst), nil
	}
	r, err := f.whole(t, u.Resource)
	if err != nil {
		return nil, err
	}
	if len(u.Groups) > 0 {
		list := make([]any, len(u.Groups))
		for i, g := range u.Groups {
			list[i] = related{g.ID, "/Groups/", "direct", g.Display}.value(base)
		}
		r["groups"] = list
	}
	return scim.AppendJSON(dst, p.Apply(r)), nil
}

// appendGroup appends a Group as a client sees it.
func appendGroup(dst []byte, p scim.Projection, base string, g *store.ScimGroup) ([]byte, error) {
	t := scim.GroupType()
	f := frame{t.Name, g.ID, g.Version, g.CreatedAt, g.ModifiedAt, base + t.Endpoint + "/" + g.ID.String()}
	if p.Whole() {
		dst = f.open(dst, t, g.Resource)
		if len(g.Members) > 0 {
			dst = append(dst, `,"members":[`...)
			for i := range g.Members {
				dst = appendRelated(dst, i, base, member(&g.Members[i]))
			}
			dst = append(dst, ']')
		}
		return f.close(dst), nil
	}
	r, err := f.whole(t, g.Resource)
	if err != nil {
		return nil, err
	}
	if len(g.Members) > 0 {
		list := make([]any, len(g.Members))
		for i := range g.Members {
			list[i] = member(&g.Members[i]).value(base)
		}
		r["members"] = list
	}
	return scim.AppendJSON(dst, p.Apply(r)), nil
}

// related is a group of a User, or a member of a Group.
type related struct {
	id            uuid.UUID
	path          string // below the base, with a slash at both ends
	kind, display string
}

func member(m *store.ScimMember) related {
	path := "/Users/"
	if m.Kind == scim.GroupType().Name {
		path = "/Groups/"
	}
	return related{m.ID, path, m.Kind, m.Display}
}

func (r related) value(base string) map[string]any {
	id := r.id.String()
	v := map[string]any{"value": id, "$ref": base + r.path + id, "type": r.kind}
	if r.display != "" {
		v["display"] = r.display
	}
	return v
}

func appendRelated(dst []byte, i int, base string, r related) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	dst = append(dst, `{"value":"`...)
	dst = appendID(dst, r.id)
	dst = append(dst, `","$ref":"`...)
	dst = append(append(dst, base...), r.path...)
	dst = appendID(dst, r.id)
	dst = append(dst, `","type":"`...)
	dst = append(append(dst, r.kind...), '"')
	if r.display != "" {
		dst = scim.AppendJSON(append(dst, `,"display":`...), r.display)
	}
	return append(dst, '}')
}

func appendID(dst []byte, id uuid.UUID) []byte {
	text, _ := id.MarshalText() // never fails
	return append(dst, text...)
}

// open begins a representation with what is stored.
func (f frame) open(dst []byte, t scim.ResourceType, stored []byte) []byte {
	dst = append(append(append(dst, `{"schemas":["`...), t.Schema.ID...), '"')
	for i := range t.Extensions {
		if hasKey(stored, t.Extensions[i].ID) {
			dst = append(append(append(dst, `,"`...), t.Extensions[i].ID...), '"')
		}
	}
	dst = append(dst, `],"id":"`...)
	dst = append(appendID(dst, f.id), '"')
	stored = bytes.TrimSpace(stored)
	if inner := stored[1 : len(stored)-1]; len(inner) > 0 { // without its braces
		dst = append(append(dst, ','), inner...)
	}
	return dst
}

// hasKey says whether stored JSON has the URN of an extension as a key. A text with the URN in quotes has a backslash before
// the second one, and a text that is the URN has no colon behind it.
func hasKey(stored []byte, urn string) bool {
	for {
		_, after, found := bytes.Cut(stored, []byte(urn))
		if !found {
			return false
		}
		if bytes.HasPrefix(after, []byte(`":`)) {
			return true
		}
		stored = after
	}
}

// close ends it with the metadata (RFC 7643, section 3.1).
func (f frame) close(dst []byte) []byte {
	dst = append(append(dst, `,"meta":{"resourceType":"`...), f.kind...)
	dst = f.created.UTC().AppendFormat(append(dst, `","created":"`...), timeForm)
	dst = f.modified.UTC().AppendFormat(append(dst, `","lastModified":"`...), timeForm)
	dst = append(append(dst, `","location":"`...), f.location...)
	dst = scim.AppendJSON(append(dst, `","version":`...), etag(f.version))
	return append(dst, "}}"...)
}

// whole is the representation to take parts of.
func (f frame) whole(t scim.ResourceType, stored []byte) (map[string]any, error) {
	r, err := t.Load(stored)
	if err != nil {
		return nil, err
	}
	schemas := t.Schemas(r)
	list := make([]any, len(schemas))
	for i, urn := range schemas {
		list[i] = urn
	}
	r["schemas"], r["id"] = list, f.id.String()
	r["meta"] = map[string]any{
		"resourceType": f.kind, "created": f.created.UTC().Format(timeForm), "lastModified": f.modified.UTC().Format(timeForm),
		"location": f.location, "version": etag(f.version),
	}
	return r, nil
}
