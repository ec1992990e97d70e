package store

import (
	"strconv"
	"strings"
	"time"

	"github.com/tenurehq/tenure/internal/scim"
)

// scimOperand is an attribute's value in SQL, of the type that belongs to the attribute's: text, boolean, float8 or
// timestamptz. It is null when the attribute is unassigned.
type scimOperand struct {
	sql     string
	folded  bool // a text, folded already
	id      bool // a uuid, which clients see as text
	indexed bool // a column that an index finds
	never   bool // never null
}

// operand is the value at a path whose attribute is not multi-valued.
func (c *scimCompiler) operand(path scim.Path) scimOperand {
	if path.Schema == "" {
		switch path.Attribute.Name {
		case "id":
			return scimOperand{sql: "u.id", id: true, indexed: true, never: true}
		case "meta":
			return c.meta(path.Sub)
		}
		if column, ok := c.kind.columns[path.Attribute.Name]; ok {
			return column
		}
	}
	return fromJSON(c.json(path), path.Leaf())
}

// meta is a sub-attribute of meta. The version is the weak entity tag that the API makes of the row's: W/"1".
func (c *scimCompiler) meta(sub *scim.Attribute) scimOperand {
	switch sub.Name {
	case "created":
		return scimOperand{sql: "u.created_at", indexed: true, never: true}
	case "lastModified":
		return scimOperand{sql: "u.modified_at", indexed: true, never: true}
	case "resourceType":
		return scimOperand{sql: "'" + c.kind.name + "'::text", never: true}
	case "version":
		return scimOperand{sql: `('W/"' || u.version || '"')`, never: true}
	default: // location
		return scimOperand{sql: "(" + c.arg(c.base+c.kind.path) + "::text || u.id)", never: true}
	}
}

// json is the value at a path in the resource, as jsonb.
func (c *scimCompiler) json(path scim.Path) string {
	var keys []string
	if path.Schema != "" {
		keys = append(keys, path.Schema)
	}
	keys = append(keys, path.Attribute.Name)
	if path.Sub != nil && !path.Attribute.MultiValued {
		keys = append(keys, path.Sub.Name)
	}
	return "(u.resource #> " + c.arg(keys) + "::text[])"
}

// fromJSON takes a value out of jsonb. What is not of the attribute's type is left from another version of an
// organization's schema, and counts as unassigned.
func fromJSON(sql string, leaf *scim.Attribute) scimOperand {
	switch leaf.Type {
	case scim.TypeBoolean:
		return scimOperand{sql: "case jsonb_typeof(" + sql + ") when 'boolean' then (" + sql + ")::boolean end"}
	case scim.TypeDecimal, scim.TypeInteger:
		return scimOperand{sql: "case jsonb_typeof(" + sql + ") when 'number' then (" + sql + ")::float8 end"}
	case scim.TypeDateTime:
		return scimOperand{sql: "scim_time(" + sql + " #>> '{}')"}
	default:
		return scimOperand{sql: "(" + sql + " #>> '{}')"}
	}
}

// scimElements are the values of an attribute, one row each.
type scimElements struct {
	from  string                                // the FROM and the WHERE
	order string                                // the ORDER BY that has the primary one first, or else the first
	part  func(sub *scim.Attribute) scimOperand // or the value itself, of an attribute that is not complex
}

// exists: there is an element that fulfils a condition.
func (e scimElements) exists(condition string) string {
	return "exists (select from " + e.from + " and (" + condition + "))"
}

// elements are the values at a path: of the groups and members tables, of meta, or in the resource. A complex attribute that
// is not multi-valued is one element.
func (c *scimCompiler) elements(path scim.Path) scimElements {
	if path.Schema == "" {
		switch path.Attribute.Name {
		case "groups":
			return scimElements{"scim_members m join scim_groups x on x.org = m.org and x.id = m.group_id where m.org = $1 and m.member_id = u.id",
				"m.group_id", c.groupPart}
		case "members":
			return scimElements{scimMemberRows + " where m.org = $1 and m.group_id = u.id", "m.member_id", c.memberPart}
		case "meta":
			return scimElements{"(select) e where true", "", c.meta}
		}
	}
	value := c.json(scim.Path{Schema: path.Schema, Attribute: path.Attribute})
	from, order := "(select "+value+") e(v) where e.v is not null", ""
	if path.Attribute.MultiValued {
		from = "jsonb_array_elements(case jsonb_typeof(" + value + ") when 'array' then " + value + " end) with ordinality e(v, n) where true"
		order = "(e.v -> 'primary') is distinct from 'true'::jsonb, e.n"
	}
	return scimElements{from, order, func(sub *scim.Attribute) scimOperand {
		if path.Attribute.Type != scim.TypeComplex {
			return fromJSON("e.v", sub)
		}
		return fromJSON("(e.v -> "+c.arg(sub.Name)+"::text)", sub)
	}}
}

// groupPart is a sub-attribute of an element of a user's groups, of which only direct ones are shown.
func (c *scimCompiler) groupPart(sub *scim.Attribute) scimOperand {
	switch sub.Name {
	case "value":
		return scimOperand{sql: "m.group_id", id: true}
	case "display":
		return scimOperand{sql: "(x.resource->>'displayName')"}
	case "type":
		return scimOperand{sql: "'direct'::text"}
	default: // $ref
		return scimOperand{sql: "(" + c.arg(c.base+scimGroups.path) + "::text || m.group_id)"}
	}
}

// memberPart is a sub-attribute of an element of a group's members.
func (c *scimCompiler) memberPart(sub *scim.Attribute) scimOperand {
	switch sub.Name {
	case "value":
		return scimOperand{sql: "m.member_id", id: true}
	case "display":
		return scimOperand{sql: scimMemberDisplay}
	case "type":
		return scimOperand{sql: "m.kind"}
	default: // $ref
		return scimOperand{sql: "(" + c.arg(c.base) + "::text || case m.kind when 'User' then '" + scimUsers.path + "' else '" + scimGroups.path +
			"' end || m.member_id)"}
	}
}

// test compares a value with a literal. Only ne is true of null; the others are null.
func (c *scimCompiler) test(o scimOperand, leaf *scim.Attribute, op scim.Operator, value any) string {
	switch v := value.(type) {
	case bool:
		switch { // what an index on the column answers is the column itself
		case op == scim.NotEqual:
			return o.sql + " is distinct from " + strconv.FormatBool(v)
		case v:
			return o.sql
		default:
			return "not " + o.sql
		}
	case float64:
		return o.sql + compareBy[op] + c.arg(v) + "::float8"
	case time.Time:
		return o.sql + compareBy[op] + c.arg(v.Format(time.RFC3339Nano)) + "::text::timestamptz"
	}
	text, _ := value.(string)
	if !o.id {
		return c.testText(o, leaf.CaseExact, op, text)
	}
	if op != scim.Equal && op != scim.NotEqual {
		o.sql = "(" + o.sql + ")::text"
		return c.testText(o, leaf.CaseExact, op, text)
	}
	if !canonicalUUID.MatchString(text) || leaf.CaseExact && strings.ToLower(text) != text {
		return map[scim.Operator]string{scim.Equal: "false", scim.NotEqual: "true"}[op]
	}
	return o.sql + compareBy[op] + c.arg(text) + "::uuid"
}

// compareBy are the operators that mean the same for every type.
var compareBy = map[scim.Operator]string{
	scim.Equal: " = ", scim.NotEqual: " is distinct from ",
	scim.Greater: " > ", scim.GreaterOrEqual: " >= ", scim.Less: " < ", scim.LessOrEqual: " <= ",
}

// testText compares texts by code point. No pattern is made of what a client sent, so that nothing needs escaping.
func (c *scimCompiler) testText(o scimOperand, caseExact bool, op scim.Operator, text string) string {
	left, want := o.sql, c.arg(text)+"::text"
	if !caseExact {
		want = "scim_fold(" + want + ")"
		if !o.folded {
			left = "scim_fold(" + left + ")"
		}
	}
	want = "(" + want + ` collate "C")`
	switch op {
	case scim.Contains:
		return "strpos(" + left + ", " + want + ") > 0"
	case scim.EndsWith:
		return "right(" + left + ", length(" + want + ")) = " + want
	case scim.StartsWith:
		begins := "starts_with(" + left + ", " + want + ")"
		if o.indexed {
			// An index is looked up by order. U+10FFFF is no character that a text has (Unicode, section 23.7).
			begins += " and " + left + " >= " + want + " and " + left + " <= (" + want + " || chr(1114111))"
		}
		return begins
	default:
		return left + compareBy[op] + want
	}
}
