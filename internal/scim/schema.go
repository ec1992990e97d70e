package scim

// Type is the data type of an attribute (RFC 7643, section 2.3).
type Type string

// The types of RFC 7643, section 2.3, and the Go type of a canonical value of each.
const (
	TypeString    Type = "string"    // string
	TypeBoolean   Type = "boolean"   // bool
	TypeDecimal   Type = "decimal"   // float64
	TypeInteger   Type = "integer"   // int64, at most ±(2^53−1)
	TypeDateTime  Type = "dateTime"  // string, in the form of RFC 3339
	TypeBinary    Type = "binary"    // string, base64
	TypeReference Type = "reference" // string
	TypeComplex   Type = "complex"   // map[string]any
)

// The values of Attribute.Mutability (RFC 7643, section 7).
const (
	ReadOnly  = "readOnly"
	ReadWrite = "readWrite"
	Immutable = "immutable"
	WriteOnly = "writeOnly"
)

// The values of Attribute.Returned (RFC 7643, section 7).
const (
	ReturnedAlways  = "always"
	ReturnedNever   = "never"
	ReturnedDefault = "default"
	ReturnedRequest = "request"
)

// The values of Attribute.Uniqueness (RFC 7643, section 7).
const (
	UniqueNone   = "none"
	UniqueServer = "server"
	UniqueGlobal = "global"
)

// The URNs of the schemas that Tenure serves (RFC 7643, section 10.3).
const (
	UserSchema       = "urn:ietf:params:scim:schemas:core:2.0:User"
	EnterpriseSchema = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	GroupSchema      = "urn:ietf:params:scim:schemas:core:2.0:Group"
)

// Microsoft's names of the core schemas, which Entra ID sends (Microsoft Learn, "Tutorial: Develop and plan provisioning
// for a SCIM endpoint"). They are read as the core ones and never written.
const (
	microsoftGroupSchema = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
	microsoftUserSchema  = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/User"
)

// Attribute is the definition of an attribute with its characteristics (RFC 7643, sections 2.2 and 7). As JSON it is the
// form that /Schemas serves.
type Attribute struct {
	Name            string      `json:"name"`
	Type            Type        `json:"type"`
	MultiValued     bool        `json:"multiValued"`
	Description     string      `json:"description"`
	Required        bool        `json:"required"`
	CanonicalValues []string    `json:"canonicalValues,omitempty"`
	CaseExact       bool        `json:"caseExact"`
	Mutability      string      `json:"mutability"`
	Returned        string      `json:"returned"`
	Uniqueness      string      `json:"uniqueness"`
	ReferenceTypes  []string    `json:"referenceTypes,omitempty"`
	SubAttributes   []Attribute `json:"subAttributes,omitempty"`
}

// Schema is a set of attributes with the URN that names it (RFC 7643, section 7).
type Schema struct {
	ID          string // the URN
	Name        string
	Description string
	Attributes  []Attribute
}
