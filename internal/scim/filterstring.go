package scim

import (
	"strconv"
	"strings"
	"time"
)

// String is the filter in the syntax of RFC 7644.
func (f And) String() string { return join(f.Terms, " and ") }

// String is the filter in the syntax of RFC 7644.
func (f Or) String() string { return join(f.Terms, " or ") }

// String is the filter in the syntax of RFC 7644.
func (f Not) String() string { return "not (" + f.Filter.String() + ")" }

// String is a filter that holds always or never; it does not parse to a Constant.
func (f Constant) String() string {
	if f {
		return "id pr"
	}
	return "not (id pr)"
}

// String is the filter in the syntax of RFC 7644.
func (f Compare) String() string {
	b := append([]byte(f.Path.String()+" "+string(f.Op)), ' ')
	switch v := f.Value.(type) {
	case string:
		b = appendString(b, v)
	case bool:
		b = strconv.AppendBool(b, v)
	case float64:
		b = strconv.AppendFloat(b, v, 'g', -1, 64)
	case time.Time:
		b = appendString(b, v.Format(time.RFC3339Nano))
	}
	return string(b)
}

// String is the filter in the syntax of RFC 7644.
func (f Present) String() string { return f.Path.String() + " pr" }

// String is the filter in the syntax of RFC 7644.
func (f ValuePath) String() string { return f.Path.String() + "[" + f.Filter.String() + "]" }

func join(terms []Filter, operator string) string {
	parts := make([]string, len(terms))
	for i, t := range terms {
		parts[i] = t.String()
		switch t.(type) {
		case And, Or: // in brackets even where precedence would do, so that terms stay apart as they are
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, operator)
}

// String is the path in the syntax of RFC 7644, section 3.5.2.
func (p Path) String() string {
	var b strings.Builder
	b.WriteString(p.Schema)
	if p.Attribute != nil {
		if p.Schema != "" {
			b.WriteByte(':')
		}
		b.WriteString(p.Attribute.Name)
	}
	if p.Filter != nil {
		b.WriteString("[" + p.Filter.String() + "]")
	}
	if p.Sub != nil {
		b.WriteString("." + p.Sub.Name)
	}
	return b.String()
}
