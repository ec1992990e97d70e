package scim

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

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
