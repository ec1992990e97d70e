package simulator

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/scim2/filter-parser/v2"
)

// rules are what a filter or search parameter accepts.
type rules struct {
	fields []string // "profile.*" is every profile attribute
	// operators are those for a field.
	operators func(field string) []filter.CompareOperator
}

var (
	equality   = []filter.CompareOperator{filter.EQ}
	order      = []filter.CompareOperator{filter.EQ, filter.GT, filter.GE, filter.LT, filter.LE}
	searching  = append([]filter.CompareOperator{filter.SW, filter.PR}, order...)
	containing = append([]filter.CompareOperator{filter.CO}, searching...)
)

// userFilter is eq, but for lastUpdated, on a few properties (Users API: List all users, filter).
var userFilter = rules{
	[]string{"status", "lastUpdated", "id", "profile.login", "profile.email", "profile.firstName", "profile.lastName"},
	func(field string) []filter.CompareOperator {
		if field == "lastUpdated" {
			return order
		}
		return equality
	},
}

// userSearch has no ne, and co for four attributes only (Users API: List all users, search).
var userSearch = rules{
	[]string{"profile.*", "id", "status", "created", "activated", "statusChanged", "lastUpdated", "type.id"},
	func(field string) []filter.CompareOperator {
		if slices.Contains([]string{"profile.firstName", "profile.lastName", "profile.email", "profile.login"}, field) {
			return containing
		}
		return searching
	},
}

// groupFilter and groupSearch: Groups API, List all groups.
var groupFilter = rules{
	[]string{"id", "type", "lastUpdated", "lastMembershipUpdated"},
	func(field string) []filter.CompareOperator {
		if strings.HasPrefix(field, "last") {
			return order
		}
		return equality
	},
}

var groupSearch = rules{
	[]string{"profile.*", "id", "created", "lastMembershipUpdated", "lastUpdated", "type"},
	func(field string) []filter.CompareOperator {
		if field == "profile.name" || field == "profile.description" {
			return containing
		}
		return searching
	},
}

// appFilter: Applications API, List all applications; user.id as its expand parameter requires it.
var appFilter = rules{
	[]string{"id", "status", "name", "user.id"},
	func(string) []filter.CompareOperator { return equality },
}

// parse reads an expression (Core Okta API: Filter) and refuses what the rules do not have.
func (ru rules) parse(text string) (filter.Expression, error) {
	e, err := filter.ParseFilter([]byte(text))
	if err != nil {
		return nil, errCriteria
	}
	return e, ru.check(e)
}

func (ru rules) check(e filter.Expression) error {
	switch e := e.(type) {
	case *filter.LogicalExpression:
		if err := ru.check(e.Left); err != nil {
			return err
		}
		return ru.check(e.Right)
	case *filter.AttributeExpression:
		name, sub := e.AttributePath.AttributeName, e.AttributePath.SubAttributeName()
		field := name
		if sub != "" {
			field += "." + sub
		}
		known := slices.Contains(ru.fields, field) || name == "profile" && sub != "" && slices.Contains(ru.fields, "profile.*")
		if known && e.AttributePath.URI() == "" && slices.Contains(ru.operators(field), e.Operator) {
			_, err := literal(e)
			return err
		}
	}
	return errCriteria
}

// matches evaluates an expression that was checked. Values are compared with regard to case in filters and without in
// searches; names always with it.
func matches(doc record, e filter.Expression, exact bool) (bool, error) {
	switch e := e.(type) {
	case *filter.LogicalExpression:
		left, err := matches(doc, e.Left, exact)
		if err != nil || left == (e.Operator == filter.OR) {
			return left, err
		}
		return matches(doc, e.Right, exact)
	case *filter.AttributeExpression:
		wanted, err := literal(e)
		if err != nil {
			return false, err
		}
		value := doc.field(e.AttributePath.AttributeName, e.AttributePath.SubAttributeName())
		for _, value := range elements(value) { // any element of an array counts
			if ok, err := compare(e.Operator, value, wanted, exact); ok || err != nil {
				return ok, err
			}
		}
		return false, nil
	}
	return false, errCriteria
}

// elements are those of an array, or the value itself.
func elements(value any) []any {
	if array, ok := value.([]any); ok {
		return array
	}
	return []any{value}
}

func compare(op filter.CompareOperator, value, wanted any, exact bool) (bool, error) {
	if at, ok := value.(time.Time); ok {
		return compareTime(op, at, wanted)
	}
	if value == nil || op == filter.PR {
		return value != nil, nil
	}
	a, aText := value.(string)
	b, bText := wanted.(string)
	if !aText || !bText {
		return op == filter.EQ && value == wanted, nil
	}
	if !exact {
		a, b = strings.ToLower(a), strings.ToLower(b)
	}
	switch op {
	case filter.SW:
		return strings.HasPrefix(a, b), nil
	case filter.CO:
		return strings.Contains(a, b), nil
	default:
		return holds(op, cmp.Compare(a, b)), nil
	}
}

func compareTime(op filter.CompareOperator, at time.Time, wanted any) (bool, error) {
	if op == filter.PR || at.IsZero() {
		return !at.IsZero(), nil
	}
	text, _ := wanted.(string)
	other, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return false, errDate
	}
	return holds(op, at.Compare(other)), nil
}

func holds(op filter.CompareOperator, c int) bool {
	switch op {
	case filter.EQ:
		return c == 0
	case filter.GT:
		return c > 0
	case filter.GE:
		return c >= 0
	case filter.LT:
		return c < 0
	case filter.LE:
		return c <= 0
	default:
		return false
	}
}

// literal is the value to compare with, its JSON escapes resolved, which the parser leaves in, and numbers as JSON has them.
func literal(e *filter.AttributeExpression) (any, error) {
	switch v := e.CompareValue.(type) {
	case string:
		var plain string
		if err := json.Unmarshal([]byte(`"`+v+`"`), &plain); err != nil {
			return nil, errCriteria
		}
		return plain, nil
	case int:
		return float64(v), nil
	default:
		return v, nil
	}
}

// equalTo is the value when the expression is one equality of the named field.
func equalTo(e filter.Expression, name, sub string) (string, bool) {
	a, ok := e.(*filter.AttributeExpression)
	if !ok || a.Operator != filter.EQ || a.AttributePath.AttributeName != name || a.AttributePath.SubAttributeName() != sub {
		return "", false
	}
	value, err := literal(a)
	text, isText := value.(string)
	return text, isText && err == nil
}
