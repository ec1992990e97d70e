package simulator

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/elimity-com/scim/errors"
	"github.com/scim2/filter-parser/v2"
)

// exact are the attributes compared with regard to case (RFC 7643: caseExact), by their folded names.
var exact = map[string]bool{"id": true, "externalid": true, "members": true, "groups": true}

// matches evaluates a filter (RFC 7644 §3.4.2.2) with and, or, not, brackets, and the operators eq, ne, co, sw, ew, pr.
func matches(e filter.Expression, resource map[string]any) (bool, error) {
	switch e := e.(type) {
	case *filter.LogicalExpression:
		left, err := matches(e.Left, resource)
		if err != nil || left == (e.Operator == filter.OR) {
			return left, err
		}
		return matches(e.Right, resource)
	case *filter.NotExpression:
		ok, err := matches(e.Expression, resource)
		return !ok, err
	case *filter.ValuePath:
		for _, element := range elements(lookUp(container(resource, e.AttributePath.URI()), e.AttributePath.AttributeName)) {
			if m, ok := element.(map[string]any); ok {
				if match, err := matches(e.ValueFilter, m); match || err != nil {
					return match, err
				}
			}
		}
		return false, nil
	case *filter.AttributeExpression:
		return matchesAttribute(e, resource)
	}
	return false, errors.ScimErrorInvalidFilter
}

func matchesAttribute(e *filter.AttributeExpression, resource map[string]any) (bool, error) {
	wanted, err := compared(e)
	if err != nil {
		return false, err
	}
	path := e.AttributePath
	values := elements(lookUp(container(resource, path.URI()), path.AttributeName))
	sub := path.SubAttributeName()
	found := false
	for _, value := range values {
		if m, ok := value.(map[string]any); ok {
			if sub == "" {
				sub = "value" // RFC 7644 §3.4.2.2: the default of a multi-valued attribute
			}
			value = lookUp(m, sub)
		}
		if value == nil {
			continue
		}
		ok, err := compare(e.Operator, value, wanted, exact[fold(path.AttributeName)])
		if err != nil {
			return false, err
		}
		found = found || ok
	}
	if e.Operator == filter.NE {
		return !found, nil // found says here that some value equals
	}
	return found, nil
}

// compare answers for ne whether the values are equal, so that several values can be told apart from none.
func compare(op filter.CompareOperator, value, wanted any, caseExact bool) (bool, error) {
	a, aText := value.(string)
	b, bText := wanted.(string)
	if !caseExact {
		a, b = fold(a), fold(b)
	}
	text := aText && bText
	switch op {
	case filter.PR:
		return true, nil
	case filter.EQ, filter.NE:
		return text && a == b || !text && value == wanted, nil
	case filter.CO:
		return text && strings.Contains(a, b), nil
	case filter.SW:
		return text && strings.HasPrefix(a, b), nil
	case filter.EW:
		return text && strings.HasSuffix(a, b), nil
	case filter.GT, filter.GE, filter.LT, filter.LE:
		// Refused: nothing that is served here is looked up by its order.
	}
	return false, errors.ScimError{
		ScimType: errors.ScimTypeInvalidFilter, Status: http.StatusBadRequest, Detail: "The operator " + string(op) + " is not supported.",
	}
}

// compared is the value to compare with, its JSON escapes resolved, which the parser leaves in.
func compared(e *filter.AttributeExpression) (any, error) {
	s, ok := e.CompareValue.(string)
	if !ok {
		return e.CompareValue, nil
	}
	var plain string
	if err := json.Unmarshal([]byte(`"`+s+`"`), &plain); err != nil {
		return nil, errors.ScimErrorInvalidFilter
	}
	return plain, nil
}

// container is the resource, or the extension of it that the URI names.
func container(resource map[string]any, uri string) map[string]any {
	if extension, ok := lookUp(resource, uri).(map[string]any); ok && uri != "" {
		return extension
	}
	return resource
}

// lookUp finds an attribute whatever the case of its name (RFC 7643 §2.1).
func lookUp(m map[string]any, name string) any {
	if v, ok := m[name]; ok {
		return v
	}
	for key, v := range m {
		if strings.EqualFold(key, name) {
			return v
		}
	}
	return nil
}

func elements(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}
