package scim

// The URNs of the discovery documents (RFC 7643, sections 5 to 7).
const (
	ConfigSchema       = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
	ResourceTypeSchema = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
	SchemaSchema       = "urn:ietf:params:scim:schemas:core:2.0:Schema"
)

// Meta is the metadata of a discovery document.
type Meta struct {
	ResourceType string `json:"resourceType"`
	Location     string `json:"location"`
}

// SchemaDocument is a schema as /Schemas serves it (RFC 7643, section 7).
type SchemaDocument struct {
	Schemas     []string    `json:"schemas"`
	ID          string      `json:"id"`
	Name        string      `json:"name"`
	Description string      `json:"description"`
	Attributes  []Attribute `json:"attributes"`
	Meta        Meta        `json:"meta"`
}

// Document is the schema as /Schemas serves it. base is the URL of the SCIM root, without a slash at its end.
func (s Schema) Document(base string) SchemaDocument {
	return SchemaDocument{
		Schemas: []string{SchemaSchema}, ID: s.ID, Name: s.Name, Description: s.Description, Attributes: s.Attributes,
		Meta: Meta{ResourceType: "Schema", Location: base + "/Schemas/" + s.ID},
	}
}

// ResourceTypeDocument is a resource type as /ResourceTypes serves it (RFC 7643, section 6).
type ResourceTypeDocument struct {
	Schemas     []string            `json:"schemas"`
	ID          string              `json:"id"`
	Name        string              `json:"name"`
	Endpoint    string              `json:"endpoint"`
	Description string              `json:"description"`
	Schema      string              `json:"schema"`
	Extensions  []ExtensionDocument `json:"schemaExtensions"`
	Meta        Meta                `json:"meta"`
}

// ExtensionDocument is an extension of a resource type.
type ExtensionDocument struct {
	Schema   string `json:"schema"`
	Required bool   `json:"required"`
}

// Document is the type as /ResourceTypes serves it. base is the URL of the SCIM root, without a slash at its end.
func (t ResourceType) Document(base string) ResourceTypeDocument {
	d := ResourceTypeDocument{
		Schemas: []string{ResourceTypeSchema}, ID: t.Name, Name: t.Name, Endpoint: t.Endpoint, Description: t.Description,
		Schema: t.Schema.ID, Extensions: make([]ExtensionDocument, len(t.Extensions)),
		Meta: Meta{ResourceType: "ResourceType", Location: base + "/ResourceTypes/" + t.Name},
	}
	for i := range t.Extensions {
		d.Extensions[i].Schema = t.Extensions[i].ID
	}
	return d
}

// Schemas are the URNs of a resource's schemas: the core one, and those extensions of which an attribute is assigned.
func (t ResourceType) Schemas(r Resource) []string {
	urns := []string{t.Schema.ID}
	for i := range t.Extensions {
		if len(r.Extension(t.Extensions[i].ID)) > 0 {
			urns = append(urns, t.Extensions[i].ID)
		}
	}
	return urns
}

// Config says what the server supports (RFC 7643, section 5).
type Config struct {
	DocumentationURI string
	MaxOperations    int // of a Bulk request
	MaxPayloadSize   int // of a Bulk request, in bytes
	MaxResults       int // of a list
	DefaultPageSize  int
	MaxPageSize      int
	Authentication   []AuthenticationScheme
}

// AuthenticationScheme is a way to authenticate.
type AuthenticationScheme struct {
	Type        string `json:"type"` // oauthbearertoken, oauth2, …
	Name        string `json:"name"`
	Description string `json:"description"`
	SpecURI     string `json:"specUri,omitempty"`
	Primary     bool   `json:"primary,omitempty"`
}

// ConfigDocument is what /ServiceProviderConfig serves (RFC 7643, section 5; pagination: RFC 9865, section 4).
type ConfigDocument struct {
	Schemas          []string               `json:"schemas"`
	DocumentationURI string                 `json:"documentationUri,omitempty"`
	Patch            Supported              `json:"patch"`
	Bulk             BulkSupport            `json:"bulk"`
	Filter           FilterSupport          `json:"filter"`
	ChangePassword   Supported              `json:"changePassword"`
	Sort             Supported              `json:"sort"`
	ETag             Supported              `json:"etag"`
	Pagination       Pagination             `json:"pagination"`
	Authentication   []AuthenticationScheme `json:"authenticationSchemes"`
	Meta             Meta                   `json:"meta"`
}

// Supported says whether a feature is.
type Supported struct {
	Supported bool `json:"supported"`
}

// BulkSupport says how large a Bulk request may be.
type BulkSupport struct {
	Supported      bool `json:"supported"`
	MaxOperations  int  `json:"maxOperations"`
	MaxPayloadSize int  `json:"maxPayloadSize"` // bytes
}

// FilterSupport says how many resources a filter may answer.
type FilterSupport struct {
	Supported  bool `json:"supported"`
	MaxResults int  `json:"maxResults"`
}

// Pagination says how lists are paged (RFC 9865, section 4). It is without cursorTimeout: cursors do not expire.
type Pagination struct {
	Cursor          bool   `json:"cursor"`
	Index           bool   `json:"index"`
	Default         string `json:"defaultPaginationMethod"`
	DefaultPageSize int    `json:"defaultPageSize"`
	MaxPageSize     int    `json:"maxPageSize"`
}

// Document is what /ServiceProviderConfig serves. base is the URL of the SCIM root, without a slash at its end.
func (c Config) Document(base string) ConfigDocument {
	return ConfigDocument{
		Schemas: []string{ConfigSchema}, DocumentationURI: c.DocumentationURI,
		Patch:  Supported{true},
		Bulk:   BulkSupport{true, c.MaxOperations, c.MaxPayloadSize},
		Filter: FilterSupport{true, c.MaxResults},
		Sort:   Supported{true},
		ETag:   Supported{true},
		Pagination: Pagination{
			Cursor: true, Index: true, Default: "index",
			DefaultPageSize: c.DefaultPageSize, MaxPageSize: c.MaxPageSize,
		},
		Authentication: c.Authentication,
		Meta:           Meta{ResourceType: "ServiceProviderConfig", Location: base + "/ServiceProviderConfig"},
	}
}
