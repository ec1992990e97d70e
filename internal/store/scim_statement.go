package store

import (
	"strconv"
	"strings"

	"github.com/tenurehq/tenure/internal/scim"
)

// scimList writes the statement of a list.
type scimList struct {
	scimCompiler

	query     ScimQuery
	sort      scimSort
	direction string // of the ORDER BY
}

func newScimList(org string, q ScimQuery, kind scimKind) *scimList {
	return &scimList{scimCompiler: scimCompiler{kind: kind, base: q.BaseURL, args: []any{org}}, query: q}
}

// scimSkipRows is how many rows of a list are passed over by reading them.
const scimSkipRows = 1_000

// statement is one statement, so that the page and the total are of one moment. Its columns are those of scimFrame, and
// then those of scimKind.
func (l *scimList) statement(after *scimPosition) (string, []any) {
	l.sort = l.sorting(l.query.SortBy)
	if l.query.Descending {
		l.direction = " desc"
	}
	with, toRead, where, total := l.matching()
	if after != nil {
		total = "null::bigint"
		where += " and (" + l.following(*after) + ")"
	}
	limit, offset, cursorKey, key := max(l.query.Count, 0), max(l.query.StartIndex, 1)-1, "null::bytea", "null::text"
	if l.query.Cursor != nil {
		limit, offset, cursorKey, key = limit+1, 0, "(select cursor_key from organizations where id = $1)", l.sort.text("u.key")
	}
	// Of a LIMIT that is a parameter the planner thinks that it takes a tenth of the table, and so plans each time anew.
	rows := " from " + l.kind.table + " u where " + where + " order by " + l.order("key, u.id") + " limit " + strconv.Itoa(limit)
	least, before := "0", ""
	if offset > 0 {
		skipped := l.arg(offset)
		rows += " offset " + skipped
		least, before = "1", skipped+" + "
	}
	if after == nil { // the last page tells how many all are
		total = "case when one.found between " + least + " and " + strconv.Itoa(limit-1) + " then " + before + "one.found else " + total + " end"
	}
	page := "select " + l.sort.sql + " as key, " + l.kind.fields + rows
	if offset > scimSkipRows {
		// Many rows are passed over in the index, where there is one, and only those of the page are read: each by itself,
		// which the OFFSET sees to.
		page = "select p.key, r.* from (select u.id, " + l.sort.sql + " as key" + rows + ") p cross join lateral (select " + l.kind.fields +
			" from " + l.kind.table + " u where u.org = $1 and u.id = p.id offset 0) r"
	}
	fields, joins := l.kind.fields, ""
	if l.query.Related {
		fields, joins = fields+l.kind.related, l.kind.joins
	}
	return l.used("with " + with + "page as materialized (" + page + `)
		select ` + total + `, ` + toRead + `, one.found, ` + cursorKey + `, ` + key + `, ` + fields + `
		from (select count(*) as found from page) one left join ` + l.page() + ` u on true` + joins + `
		order by ` + l.order("u.key, u.id"))
}

// matching is the condition of the list, and the number of all that fulfil it. When resources have to be read one by one
// for it, those are counted first, as the value toRead of the table that with makes, and when they are too many nothing
// else is read.
func (l *scimList) matching() (with, toRead, where, total string) {
	condition := scimAlways
	if l.query.Filter != nil {
		condition = l.filter(l.query.Filter)
	}
	all := "(select coalesce(sum(n), 0)::bigint from scim_counts where org = $1 and kind = '" + l.kind.name + "')"
	where = "u.org = $1 and " + l.kind.live + " and (" + condition.where() + ")"
	total = "(select count(*) from " + l.kind.table + " u where "
	if condition.exact && l.sort.indexed {
		if condition == scimAlways {
			return "", "0", where, all
		}
		return "", "0", where, total + where + ")"
	}
	with = "read as materialized (select " + all + " as n), "
	if condition.narrow != "" {
		with = "read as materialized (select count(*) as n from (" + l.kind.rows("("+condition.narrow+")") +
			" limit " + strconv.Itoa(scimReadLimit+1) + ") u), "
	}
	toRead = "(select n from read)"
	where = toRead + " <= " + strconv.Itoa(scimReadLimit) + " and " + where
	return with, toRead, where, total + where + ")"
}

// page is the table of the page's rows. A page of groups ends before its members are too many.
func (l *scimList) page() string {
	if l.kind.name != scimGroups.name || !l.query.Related {
		return "page"
	}
	return `(select * from (
			select page.*, sum(member_count) over s as members, row_number() over s as n
			from page window s as (order by ` + l.order("key, id") + `)
		) s where s.n = 1 or s.members <= ` + strconv.Itoa(scimPageMembers) + `)`
}

// order is an ORDER BY in the list's direction.
func (l *scimList) order(columns string) string {
	return strings.ReplaceAll(columns, ",", l.direction+",") + l.direction
}

// scimSort is what a list is sorted by.
type scimSort struct {
	sql     string
	kind    string // its SQL type
	indexed bool   // a column that an index has in order
	never   bool   // never null
}

// sorting: a multi-valued attribute is sorted by its primary value, else its first one; text by code point, folded unless
// it is caseExact (RFC 7644, section 3.4.2.3).
func (l *scimList) sorting(by scim.Path) scimSort {
	if by.Attribute == nil {
		return scimSort{sql: "u.created_at", kind: "timestamptz", indexed: true, never: true}
	}
	leaf := by.Leaf()
	var o scimOperand
	if by.Attribute.MultiValued {
		elements := l.elements(by)
		o = elements.part(leaf)
		o.sql, o.never = "(select "+o.sql+" from "+elements.from+" order by "+elements.order+" limit 1)", false
	} else {
		o = l.operand(by)
	}
	sort := scimSort{sql: o.sql, kind: sqlTypeOf(o, leaf), indexed: o.indexed, never: o.never}
	if sort.kind == "text" {
		if !leaf.CaseExact && !o.folded {
			sort.sql = "scim_fold(" + sort.sql + ")"
		}
		if !o.indexed {
			sort.sql = "(" + sort.sql + ` collate "C")`
		}
	}
	return sort
}

func sqlTypeOf(o scimOperand, leaf *scim.Attribute) string {
	switch leaf.Type {
	case scim.TypeBoolean:
		return "boolean"
	case scim.TypeDecimal, scim.TypeInteger:
		return "float8"
	case scim.TypeDateTime:
		return "timestamptz"
	default:
		if o.id {
			return "uuid"
		}
		return "text"
	}
}

// text is a key as text, which reads back as the same.
func (s scimSort) text(key string) string {
	if s.kind == "timestamptz" {
		return "to_char(" + key + ` at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
	}
	return key + "::text"
}

// following is the condition of what comes after a position.
func (l *scimList) following(at scimPosition) string {
	than := " > "
	if l.query.Descending {
		than = " < "
	}
	id := l.arg(at.ID)
	if at.Key == nil { // those without come last, or first when it is descending
		without := l.sort.sql + " is null and u.id" + than + id
		if l.query.Descending {
			return without + " or " + l.sort.sql + " is not null"
		}
		return without
	}
	key := l.arg(*at.Key) + "::text::" + l.sort.kind
	if l.sort.kind == "text" {
		key = "(" + key + ` collate "C")`
	}
	row := "(" + l.sort.sql + ", u.id)" + than + "(" + key + ", " + id + ")"
	if l.sort.never || l.query.Descending {
		return row
	}
	return row + " or " + l.sort.sql + " is null"
}
