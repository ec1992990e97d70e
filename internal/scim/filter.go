package scim

// Operator compares an attribute with a value (RFC 7644, section 3.4.2.2, table 3).
type Operator string

// The operators that compare; "pr" is Present.
const (
	Equal          Operator = "eq"
	NotEqual       Operator = "ne"
	Contains       Operator = "co"
	StartsWith     Operator = "sw"
	EndsWith       Operator = "ew"
	Greater        Operator = "gt"
	GreaterOrEqual Operator = "ge"
	Less           Operator = "lt"
	LessOrEqual    Operator = "le"
)

// Filter is a filter that was checked against a schema: one of And, Or, Not, Compare, Present, ValuePath, Constant.
type Filter interface {
	// Match evaluates the filter over a resource. Attributes that are not part of Resource (id, meta, groups, members)
	// count as unassigned unless the caller put them in.
	Match(r Resource) bool

	// String is the filter in the syntax of RFC 7644; it parses to an equal one.
	String() string

	// matchElement evaluates a filter that stands in a ValuePath.
	matchElement(element any) bool
}

// And holds when all its terms do. There are at least two.
type And struct{ Terms []Filter }

// Or holds when one of its terms does. There are at least two.
type Or struct{ Terms []Filter }

// Not holds when its filter does not.
type Not struct{ Filter Filter }

// Constant holds always or never: a comparison that the schema alone decides, such as schemas eq "urn:…:User".
type Constant bool

// Compare compares the value at a path. Path.Leaf is never complex, and Value has its type:
//
//	string, reference  string; compared as Fold says unless the leaf is CaseExact; gt, ge, lt, le by code point
//	binary             string; eq and ne only
//	boolean            bool; eq and ne only
//	integer, decimal   float64; no co, sw, ew
//	dateTime           time.Time in UTC; no co, sw, ew
//
// A multi-valued attribute satisfies it when one of its values does (RFC 7644, section 3.4.2.2). What is unassigned is
// unlike every value: ne holds, everything else does not; so it is for a sub-attribute that an element lacks, and for a
// multi-valued attribute without elements. "attribute eq null" is Not{Present}, "attribute ne null" is Present.
type Compare struct {
	Path  Path
	Op    Operator
	Value any
}

// Present holds when the path has a value. Path.Attribute may be complex or multi-valued without Path.Sub, and is nil when
// the path is that of an extension, which is present when any attribute of it is.
type Present struct{ Path Path }

// ValuePath holds when one element of the attribute satisfies the filter, as emails[type eq "work" and value co "@x"].
//
// Inside it paths start at the element: Path.Attribute is a sub-attribute of the ValuePath's attribute, and Path.Schema and
// Path.Sub are empty. For a multi-valued attribute of a simple type the one attribute inside is called "value" and means
// the element itself. A complex attribute that is not multi-valued counts as one element. There is no ValuePath inside.
//
// emails[type eq "work"].value eq "x", which the RFC's grammar lacks and clients send, is read as
// emails[type eq "work" and value eq "x"].
type ValuePath struct {
	Path   Path
	Filter Filter
}

// Path leads to an attribute. It is resolved: names and URNs are found in the schema, whatever their case was.
type Path struct {
	Schema    string     // the URN of an extension, "" for the core schema
	Attribute *Attribute // nil for a schema as a whole
	Filter    Filter     // the value filter of a PATCH path, else nil
	Sub       *Attribute // nil when the path ends at the attribute
}

// Leaf is the attribute at the path's end, nil for a schema as a whole.
func (p Path) Leaf() *Attribute {
	if p.Sub != nil {
		return p.Sub
	}
	return p.Attribute
}
