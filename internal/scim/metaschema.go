package scim

// DiscoverySchemas are the schemas of the discovery documents themselves (RFC 7643, section 8.7.2, and section 5 where the
// two differ; pagination: RFC 9865, section 4). Nothing of them can be written. They are made anew for each caller.
func DiscoverySchemas() []Schema {
	return []Schema{configSchema(), resourceTypeSchema(), schemaSchema()}
}

// fixed is an attribute that only the server sets.
func fixed(name string, kind Type, description string, changes ...change) Attribute {
	return attribute(name, kind, description, append([]change{readOnly}, changes...)...)
}

func parts(subs ...Attribute) change { return func(a *Attribute) { a.SubAttributes = subs } }

func several(a *Attribute) { a.MultiValued = true }

func configSchema() Schema {
	supported := fixed("supported", TypeBoolean, "Whether the operation is supported.", required)
	option := func(name, description string, more ...Attribute) Attribute {
		return fixed(name, TypeComplex, description, required, parts(append([]Attribute{supported}, more...)...))
	}
	return Schema{ID: ConfigSchema, Name: "Service Provider Configuration", Description: "What the service provider supports", Attributes: []Attribute{
		fixed("documentationUri", TypeReference, "The URI of documentation for people.", caseExact, references("external")),
		option("patch", "PATCH."),
		option("bulk", "Bulk requests.",
			fixed("maxOperations", TypeInteger, "The most operations in a request.", required),
			fixed("maxPayloadSize", TypeInteger, "The size of the largest request in bytes.", required)),
		option("filter", "Filters.", fixed("maxResults", TypeInteger, "The most resources in an answer.", required)),
		option("changePassword", "Changes of passwords."),
		option("sort", "Sorting."),
		option("etag", "Entity tags."),
		fixed("pagination", TypeComplex, "How lists are paged.", parts(
			fixed("cursor", TypeBoolean, "Whether by cursor.", required),
			fixed("index", TypeBoolean, "Whether by index.", required),
			fixed("defaultPaginationMethod", TypeString, "What is used when the client does not say.", canonical("cursor", "index")),
			fixed("defaultPageSize", TypeInteger, "The resources in a page when the client does not say."),
			fixed("maxPageSize", TypeInteger, "The most resources in a page."),
			fixed("cursorTimeout", TypeInteger, "The seconds for which a cursor is good."))),
		fixed("authenticationSchemes", TypeComplex, "The ways to authenticate.", several, required, parts(
			fixed("type", TypeString, "The kind of scheme.", required, canonical("oauth", "oauth2", "oauthbearertoken", "httpbasic", "httpdigest")),
			fixed("name", TypeString, "The name of the scheme.", required),
			fixed("description", TypeString, "A description of the scheme.", required),
			fixed("specUri", TypeReference, "The URI of the scheme's specification.", caseExact, references("external")),
			fixed("documentationUri", TypeReference, "The URI of how to use the scheme.", caseExact, references("external")),
			fixed("primary", TypeBoolean, "Whether this is the preferred scheme."))),
	}}
}

func resourceTypeSchema() Schema {
	return Schema{ID: ResourceTypeSchema, Name: "ResourceType", Description: "A kind of resource", Attributes: []Attribute{
		fixed("id", TypeString, "The resource type's identifier, which may be its name."),
		fixed("name", TypeString, "The name of the resource type.", required),
		fixed("description", TypeString, "A description for people."),
		fixed("endpoint", TypeReference, "The endpoint below the base URL.", required, caseExact, references("uri")),
		fixed("schema", TypeReference, "The URN of the core schema.", required, caseExact, references("uri")),
		fixed("schemaExtensions", TypeComplex, "The extensions of the resource type.", several, parts(
			fixed("schema", TypeReference, "The URN of the extension.", required, caseExact, references("uri")),
			fixed("required", TypeBoolean, "Whether a resource must have the extension.", required))),
	}}
}

func schemaSchema() Schema {
	return Schema{ID: SchemaSchema, Name: "Schema", Description: "The definition of a schema", Attributes: []Attribute{
		fixed("id", TypeString, "The URN of the schema.", required, caseExact),
		fixed("name", TypeString, "The name of the schema."),
		fixed("description", TypeString, "A description for people."),
		fixed("attributes", TypeComplex, "The attributes of the schema.", several, required, parts(append(definition(),
			fixed("subAttributes", TypeComplex, "The attributes of which a complex attribute consists.", several, parts(definition()...)))...)),
	}}
}

// definition is what is said of an attribute (RFC 7643, section 7).
func definition() []Attribute {
	return []Attribute{
		fixed("name", TypeString, "The name of the attribute.", required, caseExact),
		fixed("type", TypeString, "The type of its values.", required, canonical(string(TypeString), string(TypeComplex), string(TypeBoolean), string(TypeDecimal),
			string(TypeInteger), string(TypeDateTime), string(TypeReference), string(TypeBinary))),
		fixed("multiValued", TypeBoolean, "Whether it may have several values.", required),
		fixed("description", TypeString, "A description for people."),
		fixed("required", TypeBoolean, "Whether a resource must have it."),
		fixed("canonicalValues", TypeString, "Values that are suggested.", several, caseExact),
		fixed("caseExact", TypeBoolean, "Whether case matters in its texts."),
		fixed("mutability", TypeString, "Whether it can be changed.", caseExact, canonical(ReadOnly, ReadWrite, Immutable, WriteOnly)),
		fixed("returned", TypeString, "When it is returned.", caseExact, canonical(ReturnedAlways, ReturnedNever, ReturnedDefault, ReturnedRequest)),
		fixed("uniqueness", TypeString, "How unique its values are.", caseExact, canonical(UniqueNone, UniqueServer, UniqueGlobal)),
		fixed("referenceTypes", TypeString, "What a reference may refer to.", several, caseExact),
	}
}
