package scim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The model of a User for TestPropertyPatch: what RFC 7644, section 3.5.2, says of a few attributes, written down without regard
// to how the package does it. Single values are a map from their path; email addresses are records.
type modelUser struct {
	single map[string]string // "title", "name.givenName", ent + ":department", …
	emails []modelEmail
}

type modelEmail struct {
	value, kind, display string // "" is unassigned
	primary              string // "", "true", "false"
}

var modelSingles = []string{"title", "displayName", "name.givenName", "name.familyName", ent + ":department", ent + ":costCenter"}

// modelOp is one operation as it is meant; render writes it in one of the forms that clients use.
type modelOp struct {
	kind   string            // add, remove, replace
	single map[string]string // paths to values, "" to unassign; or
	emails []modelEmail      // of the whole attribute; or
	where  *modelWhere       // of the elements selected, with part and value; no part: the whole element
	part   string
	value  modelEmail // for a part only that field is set
}

type modelWhere struct{ kind, value, primary string } // a conjunction; "" is not in it

func (w modelWhere) selects(e modelEmail) bool {
	return (w.kind == "" || strings.EqualFold(w.kind, e.kind)) && (w.value == "" || strings.EqualFold(w.value, e.value)) && (w.primary == "" || w.primary == e.primary)
}

func (e *modelEmail) field(part string) *string {
	switch part {
	case "value":
		return &e.value
	case "type":
		return &e.kind
	case "display":
		return &e.display
	default:
		return &e.primary
	}
}

var emailParts = []string{"value", "type", "display", "primary"}

// overlay sets what is assigned in the other.
func (e *modelEmail) overlay(o modelEmail) {
	for _, part := range emailParts {
		if v := *o.field(part); v != "" {
			*e.field(part) = v
		}
	}
}

func (m *modelUser) apply(op modelOp, dialect Dialect) string {
	switch {
	case op.single != nil:
		for path, v := range op.single {
			if v == "" {
				delete(m.single, path)
			} else {
				m.single[path] = v
			}
		}
	case op.where != nil:
		return m.applySelected(op, dialect)
	case op.kind == "add":
		return m.applyAdd(op.emails)
	default: // a remove has none
		m.emails = slices.Clone(op.emails)
	}
	return ""
}

func (m *modelUser) applyAdd(added []modelEmail) string {
	touched := map[int]bool{}
	for _, n := range added {
		found := -1
		for i, old := range m.emails {
			sameValue := n.value != "" && strings.EqualFold(n.value, old.value) && (n.kind == "" || strings.EqualFold(n.kind, old.kind))
			sameRest := n.value == "" && strings.EqualFold(n.display, old.display) && (n.kind == "" || strings.EqualFold(n.kind, old.kind)) && (n.primary == "" || n.primary == old.primary)
			if sameValue || sameRest {
				found = i
				break
			}
		}
		if found < 0 {
			m.emails = append(m.emails, modelEmail{})
			found = len(m.emails) - 1
		}
		m.emails[found].overlay(n)
		touched[found] = true
	}
	return m.primaries(touched)
}

func (m *modelUser) applySelected(op modelOp, dialect Dialect) string {
	touched := map[int]bool{}
	for i, e := range m.emails {
		if op.where.selects(e) {
			touched[i] = true
		}
	}
	unassign := op.part == "" && op.value == modelEmail{} || op.part != "" && *op.value.field(op.part) == ""
	if len(touched) == 0 {
		switch {
		case op.kind == "remove" && dialect != RFC:
			return ""
		case op.kind == "remove", op.kind == "replace" && dialect != Entra:
			return NoTarget
		case unassign:
			return ""
		}
		m.emails = append(m.emails, modelEmail{value: op.where.value, kind: op.where.kind, primary: op.where.primary})
		touched[len(m.emails)-1] = true
	}
	if op.part == "" && (op.kind == "remove" || unassign) {
		var kept []modelEmail
		for i, e := range m.emails {
			if !touched[i] {
				kept = append(kept, e)
			}
		}
		m.emails = kept
		return ""
	}
	for i := range touched {
		switch {
		case op.part == "":
			m.emails[i].overlay(op.value)
		case op.kind == "remove":
			*m.emails[i].field(op.part) = ""
		default:
			*m.emails[i].field(op.part) = *op.value.field(op.part)
		}
	}
	return m.primaries(touched)
}

// primaries: a new primary makes the others not primary.
func (m *modelUser) primaries(touched map[int]bool) string {
	n, last := 0, -1
	for i := range touched {
		if m.emails[i].primary == "true" {
			n, last = n+1, i
		}
	}
	for i := range m.emails {
		if n == 1 && i != last && m.emails[i].primary == "true" {
			m.emails[i].primary = "false"
		}
	}
	if n > 1 {
		return InvalidValue
	}
	return ""
}

// resource is the model's state as a Resource: without labels that label nothing, and without duplicates.
func (m *modelUser) resource() map[string]any {
	doc := map[string]any{"userName": "a"}
	for path, v := range m.single {
		holder := doc
		name, below := strings.CutPrefix(path, ent+":")
		head, sub, dotted := strings.Cut(name, ".")
		switch {
		case below:
			holder = child(doc, ent)
		case dotted:
			holder, head = child(doc, head), sub
		}
		holder[head] = v
	}
	var emails []any
	for _, e := range m.tidy().emails {
		emails = append(emails, e.json())
	}
	if emails != nil {
		doc["emails"] = emails
	}
	return doc
}

func child(doc map[string]any, name string) map[string]any {
	if doc[name] == nil {
		doc[name] = map[string]any{}
	}
	return doc[name].(map[string]any)
}

func (e modelEmail) json() map[string]any {
	out := map[string]any{}
	for _, part := range emailParts {
		if v := *e.field(part); v != "" && part == "primary" {
			out[part] = v == "true"
		} else if v != "" {
			out[part] = v
		}
	}
	return out
}

func TestPropertyPatchIsWhatTheModelSays(t *testing.T) {
	t.Parallel()
	rt := UserType()
	rapid.Check(t, func(d *rapid.T) {
		model := modelUser{single: map[string]string{}}
		if rapid.Bool().Draw(d, "with emails") {
			model.emails = drawEmails(d)
		}
		text, err := json.Marshal(model.resource())
		require.NoError(d, err)
		stored, err := rt.Load(text)
		require.NoError(d, err)
		for range rapid.IntRange(1, 3).Draw(d, "requests") {
			stored = model.request(d, rt, stored)
		}
	})
}

// request draws a request, does it to the model and to what is stored, compares, and answers what is stored then.
func (m *modelUser) request(d *rapid.T, rt ResourceType, stored Resource) Resource {
	dialect := rapid.SampledFrom([]Dialect{RFC, Entra, Okta}).Draw(d, "dialect")
	before := m.resource()
	next := modelUser{maps.Clone(m.single), slices.Clone(m.emails)}
	var ops []map[string]any
	want := ""
	for range rapid.IntRange(1, 5).Draw(d, "operations") {
		op := drawOp(d)
		ops = append(ops, op.render(d, dialect)...)
		if want == "" {
			want = next.apply(op, dialect)
		}
	}
	text := AppendJSON(nil, stored)
	body, err := json.Marshal(ops)
	require.NoError(d, err)
	got, changed, err := patch(rt, stored, string(body), Options{Dialect: dialect})
	require.Equal(d, string(text), string(AppendJSON(nil, stored)), "what was stored is left alone")
	if want != "" {
		require.Equal(d, want, scimType(err), "%v\n%s\n%s", err, text, body)
		return stored
	}
	require.NoError(d, err, "%s\n%s", text, body)
	after := next.resource()
	wantText, err := json.Marshal(after)
	require.NoError(d, err)
	require.Equal(d, changed, !sameUser(before, after), "%s\n%s", text, body)
	if !changed {
		return stored
	}
	require.Equal(d, string(wantText), string(AppendJSON(nil, got)), "%s\n%s", text, body)
	*m = next.tidy()
	return got
}

// tidy is the model without what its resource leaves out.
func (m *modelUser) tidy() modelUser {
	tidy := modelUser{single: m.single}
	seen := map[modelEmail]bool{}
	for _, e := range m.emails {
		if seen[e] || e.value == "" && e.display == "" {
			continue
		}
		seen[e] = true
		tidy.emails = append(tidy.emails, e)
	}
	return tidy
}

// sameUser compares as sets what has no order.
func sameUser(a, b map[string]any) bool {
	sorted := func(m map[string]any) string {
		c := maps.Clone(m)
		list, _ := m["emails"].([]any)
		texts := make([]string, len(list))
		for i, e := range list {
			texts[i] = fmt.Sprint(e)
		}
		slices.Sort(texts)
		c["emails"] = texts
		return fmt.Sprint(c)
	}
	return sorted(a) == sorted(b)
}
