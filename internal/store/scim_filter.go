package store

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tenurehq/tenure/internal/scim"
)

// scimKind is a kind of resource as its table holds it. In SQL the row is u.
type scimKind struct {
	name    string // the resource type
	path    string // of its endpoint
	table   string
	live    string // the condition of the rows that clients see
	fields  string // what is read of a row
	related string // and of the tables that joins adds
	joins   string
	columns map[string]scimOperand // attributes that have columns of their own
}

var (
	scimUsers = scimKind{name: "User", path: "/Users/", table: "scim_users", live: "u.deleted_at is null",
		fields: scimUserColumns, related: scimGroupColumns, joins: scimGroupsOf, columns: map[string]scimOperand{
			"userName":    {sql: "u.user_name_key", folded: true, indexed: true, never: true},
			"externalId":  {sql: "u.external_id", indexed: true},
			"displayName": {sql: "u.display_name_key", folded: true, indexed: true},
			"active":      {sql: "u.active", indexed: true},
		}}
	scimGroups = scimKind{name: "Group", path: "/Groups/", table: "scim_groups", live: "true",
		fields: scimGroupFields, related: scimMemberColumns, joins: scimMembersOf, columns: map[string]scimOperand{
			"externalId":  {sql: "u.external_id", indexed: true},
			"displayName": {sql: "u.display_name_key", folded: true, indexed: true, never: true},
		}}
)

// rows is a query of the ids of the live rows that satisfy a condition.
func (k scimKind) rows(condition string) string {
	return `select u.id from ` + k.table + ` u where u.org = $1 and ` + k.live + ` and ` + condition
}

// scimCondition is a filter as SQL over the row u. Like any SQL condition it may be null, which counts as false.
type scimCondition struct {
	sql string
	// narrow is a condition that every row fulfils which fulfils sql, and that indexes answer; empty when there is none.
	narrow string
	exact  bool // narrow is the same as sql
}

// indexed is a condition that indexes answer.
func indexed(sql string) scimCondition { return scimCondition{sql, sql, true} }

var scimAlways, scimNever = indexed("true"), indexed("false")

// where is the condition for the rows of a list: what indexes answer goes first.
func (c scimCondition) where() string {
	switch {
	case c.exact:
		return c.narrow
	case c.narrow == "":
		return c.sql
	default:
		return "(" + c.narrow + ") and (" + c.sql + ")"
	}
}

// scimCompiler turns filters into conditions. What a client sent becomes parameters, never text of a statement, and so do
// the names of attributes.
type scimCompiler struct {
	kind scimKind
	base string // of the URLs, for attributes that hold one
	args []any  // $1 is the organization
}

func (c *scimCompiler) arg(value any) string {
	c.args = append(c.args, value)
	return fmt.Sprintf("$%d", len(c.args))
}

// used leaves those parameters that a statement has, since Postgres refuses others: a term may have been left out.
func (c *scimCompiler) used(statement string) (string, []any) {
	var b strings.Builder
	var args []any
	numbers := make([]int, len(c.args))
	for {
		before, after, found := strings.Cut(statement, "$")
		b.WriteString(before)
		if !found {
			return b.String(), args
		}
		digits := 0
		for digits < len(after) && after[digits] >= '0' && after[digits] <= '9' {
			digits++
		}
		n, _ := strconv.Atoi(after[:digits])
		if numbers[n-1] == 0 {
			args = append(args, c.args[n-1])
			numbers[n-1] = len(args)
		}
		b.WriteString("$" + strconv.Itoa(numbers[n-1]))
		statement = after[digits:]
	}
}

// filter compiles what scim.Filter documents: the two are held against each other by a property test.
func (c *scimCompiler) filter(f scim.Filter) scimCondition {
	switch f := f.(type) {
	case scim.And:
		return c.and(f.Terms)
	case scim.Or:
		return c.or(f.Terms)
	case scim.Not:
		return scimCondition{sql: "(" + c.filter(f.Filter).sql + ") is not true"}
	case scim.Constant:
		if f {
			return scimAlways
		}
		return scimNever
	case scim.Present:
		return c.present(f.Path)
	case scim.ValuePath:
		return c.valuePath(f)
	case scim.Compare:
		return c.compare(f)
	}
	panic(fmt.Sprintf("store: a SCIM filter of type %T", f)) // scim.Filter can be implemented there only
}

// terms compiles the terms of a conjunction or disjunction. One that is neutral in it has no effect, and the other constant
// is all that it comes to.
func (c *scimCompiler) terms(terms []scim.Filter, neutral scimCondition) []scimCondition {
	var list []scimCondition
	for _, t := range terms {
		switch term := c.filter(t); term {
		case neutral:
		case scimAlways, scimNever:
			return []scimCondition{term}
		default:
			list = append(list, term)
		}
	}
	if len(list) == 0 {
		return []scimCondition{neutral}
	}
	return list
}

func (c *scimCompiler) and(terms []scim.Filter) scimCondition {
	compiled := c.terms(flat(terms, func(f scim.Filter) []scim.Filter { and, _ := f.(scim.And); return and.Terms }), scimAlways)
	if len(compiled) == 1 {
		return compiled[0]
	}
	joined := scimCondition{exact: true}
	var sql, narrow []string
	for _, term := range compiled {
		sql = append(sql, "("+term.sql+")")
		if term.narrow != "" {
			narrow = append(narrow, "("+term.narrow+")")
		}
		joined.exact = joined.exact && term.exact
	}
	joined.sql, joined.narrow = strings.Join(sql, " and "), strings.Join(narrow, " and ")
	return joined
}

// or: each term is looked up by itself, and what is found is put together.
func (c *scimCompiler) or(terms []scim.Filter) scimCondition {
	compiled := c.terms(flat(terms, func(f scim.Filter) []scim.Filter { or, _ := f.(scim.Or); return or.Terms }), scimNever)
	if len(compiled) == 1 {
		return compiled[0]
	}
	either := scimCondition{exact: true}
	var sql, found []string
	for _, term := range compiled {
		sql = append(sql, "("+term.sql+")")
		if term.narrow != "" {
			found = append(found, c.kind.rows("("+term.narrow+")"))
		}
		either.exact = either.exact && term.exact
	}
	either.sql = strings.Join(sql, " or ")
	if len(found) == len(sql) {
		either.narrow = "u.id in (" + strings.Join(found, " union all ") + ")"
	}
	return either
}

// flat takes the terms of a conjunction in a conjunction for its own, and the same of disjunctions.
func flat(terms []scim.Filter, inner func(scim.Filter) []scim.Filter) []scim.Filter {
	var list []scim.Filter
	for _, t := range terms {
		if more := inner(t); more != nil {
			list = append(list, flat(more, inner)...)
		} else {
			list = append(list, t)
		}
	}
	return list
}

// compare compiles a comparison of an attribute of the resource.
func (c *scimCompiler) compare(f scim.Compare) scimCondition {
	if f.Path.Attribute.MultiValued {
		return c.compareElements(f)
	}
	o := c.operand(f.Path)
	sql := c.test(o, f.Path.Leaf(), f.Op, f.Value)
	if o.indexed && scimIndexed(f.Op) {
		return indexed(sql)
	}
	return scimCondition{sql: sql}
}

// scimIndexed: B-trees answer these operators.
func scimIndexed(op scim.Operator) bool {
	switch op {
	case scim.Equal, scim.StartsWith, scim.Greater, scim.GreaterOrEqual, scim.Less, scim.LessOrEqual:
		return true
	default:
		return false
	}
}

// compareElements: one of the values must satisfy the comparison, and no value at all is unlike every value.
func (c *scimCompiler) compareElements(f scim.Compare) scimCondition {
	if narrow := c.lookUp(f.Path.Attribute, f.Path, f.Op, f.Value); narrow != "" {
		return indexed(narrow)
	}
	elements := c.elements(f.Path)
	sql := elements.exists(c.test(elements.part(f.Path.Leaf()), f.Path.Leaf(), f.Op, f.Value))
	if f.Op == scim.NotEqual {
		sql = sql + " or not " + elements.exists("true")
	}
	return scimCondition{sql: sql}
}

// valuePath: one element must satisfy the filter.
func (c *scimCompiler) valuePath(f scim.ValuePath) scimCondition {
	narrow := c.narrowElement(f.Path, f.Filter)
	if _, alone := f.Filter.(scim.Compare); alone && narrow != "" {
		return indexed(narrow)
	}
	elements := c.elements(f.Path)
	sql := elements.exists(c.element(f.Filter, elements))
	if narrow == "" {
		return scimCondition{sql: sql}
	}
	return scimCondition{sql: sql, narrow: narrow}
}

// element compiles a filter that stands in a value path: its paths begin at the element.
func (c *scimCompiler) element(f scim.Filter, elements scimElements) string {
	switch f := f.(type) {
	case scim.And:
		return c.joinElement(f.Terms, elements, " and ")
	case scim.Or:
		return c.joinElement(f.Terms, elements, " or ")
	case scim.Not:
		return "(" + c.element(f.Filter, elements) + ") is not true"
	case scim.Constant:
		return strconv.FormatBool(bool(f))
	case scim.Present:
		return elements.part(f.Path.Attribute).sql + " is not null"
	case scim.Compare:
		return c.test(elements.part(f.Path.Attribute), f.Path.Attribute, f.Op, f.Value)
	}
	return "false" // a value path in a value path, which the parser does not make
}

func (c *scimCompiler) joinElement(terms []scim.Filter, elements scimElements, by string) string {
	sql := make([]string, len(terms))
	for i, t := range terms {
		sql[i] = "(" + c.element(t, elements) + ")"
	}
	return strings.Join(sql, by)
}

// narrowElement is a condition that indexes answer and that every row fulfils of which an element satisfies the filter.
func (c *scimCompiler) narrowElement(path scim.Path, f scim.Filter) string {
	switch f := f.(type) {
	case scim.Compare:
		return c.lookUp(path.Attribute, scim.Path{Schema: path.Schema, Attribute: path.Attribute, Sub: f.Path.Attribute}, f.Op, f.Value)
	case scim.And:
		for _, t := range f.Terms {
			if narrow := c.narrowElement(path, t); narrow != "" {
				return narrow
			}
		}
	case scim.Or:
		found := make([]string, len(f.Terms))
		for i, t := range f.Terms {
			narrow := c.narrowElement(path, t)
			if narrow == "" {
				return ""
			}
			found[i] = c.kind.rows(narrow)
		}
		return "u.id in (" + strings.Join(found, " union all ") + ")"
	}
	return ""
}

// lookUp is the condition for the sub-attribute "value" of emails, groups and members, which have tables with indexes;
// empty for others.
func (c *scimCompiler) lookUp(attribute *scim.Attribute, path scim.Path, op scim.Operator, value any) string {
	if path.Schema != "" || path.Sub == nil || path.Sub.Name != "value" {
		return ""
	}
	switch {
	case attribute.Name == "emails" && scimIndexed(op) && !path.Sub.CaseExact:
		condition := c.test(scimOperand{sql: "x.value", folded: true, indexed: true}, path.Sub, op, value)
		return "u.id in (select x.user_id from scim_emails x where x.org = $1 and " + condition + ")"
	case attribute.Name == "groups" && op == scim.Equal:
		// An array, because of a join the planner thinks that all groups are as large as the average one.
		condition := c.test(scimOperand{sql: "m.group_id", id: true}, path.Sub, op, value)
		return "u.id = any(array(select m.member_id from scim_members m where m.org = $1 and " + condition + "))"
	case attribute.Name == "members" && op == scim.Equal:
		condition := c.test(scimOperand{sql: "m.member_id", id: true}, path.Sub, op, value)
		return "u.id = any(array(select m.group_id from scim_members m where m.org = $1 and " + condition + "))"
	}
	return ""
}

// present: the path has a value.
func (c *scimCompiler) present(path scim.Path) scimCondition {
	if path.Attribute == nil {
		return scimCondition{sql: "u.resource ? " + c.arg(path.Schema)}
	}
	if path.Schema == "" {
		switch path.Attribute.Name {
		case "id", "meta":
			return scimAlways
		case "groups", "members":
			return scimCondition{sql: c.elements(path).exists("true")} // every element has all sub-attributes
		}
		if column, ok := c.kind.columns[path.Attribute.Name]; ok {
			if column.never {
				return scimAlways
			}
			return indexed(column.sql + " is not null")
		}
	}
	if path.Attribute.MultiValued && path.Sub != nil {
		elements := c.elements(path)
		return scimCondition{sql: elements.exists(elements.part(path.Sub).sql + " is not null")}
	}
	return scimCondition{sql: c.json(path) + " is not null"}
}
