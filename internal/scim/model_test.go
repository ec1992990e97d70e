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

func drawEmail(d *rapid.T) modelEmail {
	e := modelEmail{
		value: rapid.SampledFrom([]string{"x", "X", "y", "z", "z"}).Draw(d, "value"), kind: rapid.SampledFrom([]string{"", "work", "home", "odd"}).Draw(d, "type"),
		display: rapid.SampledFrom([]string{"", "", "", "d"}).Draw(d, "display"), primary: rapid.SampledFrom([]string{"", "", "", "true", "false"}).Draw(d, "primary"),
	}
	if e.display != "" && rapid.Bool().Draw(d, "no value") {
		e.value = ""
	}
	return e
}

// drawEmails draws a list with one primary at most; more are refused when the request is read, which is tested elsewhere.
func drawEmails(d *rapid.T) []modelEmail {
	list := rapid.SliceOfN(rapid.Custom(drawEmail), 1, 3).Draw(d, "emails")
	primary := false
	for i := range list {
		if list[i].primary == "true" && primary {
			list[i].primary = ""
		}
		primary = primary || list[i].primary == "true"
	}
	seen := map[modelEmail]bool{}
	return slices.DeleteFunc(list, func(e modelEmail) bool { twice := seen[e]; seen[e] = true; return twice })
}

func drawOp(d *rapid.T) modelOp {
	op := modelOp{kind: rapid.SampledFrom([]string{"add", "replace", "remove"}).Draw(d, "op")}
	switch rapid.IntRange(0, 3).Draw(d, "what") {
	case 0:
		op.single = map[string]string{}
		value := rapid.SampledFrom([]string{"", "1", "2"})
		for range rapid.IntRange(1, 3).Draw(d, "n") {
			op.single[rapid.SampledFrom(modelSingles).Draw(d, "path")] = value.Draw(d, "value")
		}
		if op.kind == "remove" {
			op.single = map[string]string{rapid.SampledFrom(modelSingles).Draw(d, "path"): ""}
		}
	case 1:
		if op.kind != "remove" {
			op.emails = drawEmails(d)
		}
	default:
		op.where = &modelWhere{kind: rapid.SampledFrom([]string{"", "work", "home", "odd"}).Draw(d, "type")}
		if op.where.kind == "" || rapid.Bool().Draw(d, "and value") {
			op.where.value = rapid.SampledFrom([]string{"x", "Y", "q"}).Draw(d, "value")
		}
		op.where.primary = rapid.SampledFrom([]string{"", "", "", "true"}).Draw(d, "primary")
		op.part = rapid.SampledFrom([]string{"", "value", "display", "primary", "type"}).Draw(d, "part")
		if op.kind == "remove" {
			return op
		}
		e := drawEmail(d)
		if op.part == "" {
			op.value = e
		} else {
			*op.value.field(op.part) = *e.field(op.part)
		}
	}
	return op
}

// render writes the operation in a form that the dialect allows; all forms mean the same.
func (op modelOp) render(d *rapid.T, dialect Dialect) []map[string]any {
	name := func(s string) string {
		return rapid.SampledFrom([]string{s, strings.ToLower(s), strings.ToUpper(s)}).Draw(d, "spelling")
	}
	kind := op.kind
	if dialect == Entra {
		kind = strings.ToUpper(kind[:1]) + kind[1:]
	}
	one := func(path string, value any) map[string]any {
		m := map[string]any{"op": kind, name("path"): path}
		if op.kind != "remove" {
			m[name("value")] = value
		}
		return m
	}
	switch {
	case op.single != nil && op.kind != "remove" && rapid.Bool().Draw(d, "without path"):
		value := map[string]any{}
		for path, v := range op.single {
			value[path] = empty(d, v)
		}
		return []map[string]any{{"op": kind, "value": value}}
	case op.single != nil:
		var list []map[string]any
		for _, path := range slices.Sorted(maps.Keys(op.single)) {
			list = append(list, one(name(path), empty(d, op.single[path])))
		}
		return list
	case op.where == nil:
		if op.kind == "remove" || rapid.Bool().Draw(d, "path") {
			return []map[string]any{one(name("emails"), emailList(d, op.emails))}
		}
		return []map[string]any{{"op": kind, "value": map[string]any{name("emails"): emailList(d, op.emails)}}}
	}
	var terms []string
	for _, t := range [][2]string{{"type", op.where.kind}, {"value", op.where.value}} {
		if t[1] != "" {
			terms = append(terms, fmt.Sprintf("%s %s %q", name(t[0]), name("eq"), t[1]))
		}
	}
	if op.where.primary != "" {
		terms = append(terms, "primary eq "+op.where.primary)
	}
	path := name("emails") + "[" + strings.Join(terms, " and ") + "]"
	if op.part == "" {
		return []map[string]any{one(path, op.value.json())}
	}
	var value any
	if v := *op.value.field(op.part); op.part == "primary" && v != "" {
		value = rapid.SampledFrom([]any{v == "true", strings.ToUpper(v[:1]) + v[1:]}).Draw(d, "boolean")
	} else {
		value = empty(d, v)
	}
	return []map[string]any{one(path+"."+name(op.part), value)}
}

// empty is null or "" for what is to be unassigned.
func empty(d *rapid.T, v string) any {
	if v == "" && rapid.Bool().Draw(d, "null") {
		return nil
	}
	return v
}

func emailList(d *rapid.T, emails []modelEmail) any {
	list := make([]any, len(emails))
	for i, e := range emails {
		list[i] = e.json()
	}
	if len(list) == 1 && rapid.Bool().Draw(d, "bare") {
		return list[0]
	}
	return list
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
