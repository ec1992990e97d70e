package scim

// Attributes are made by small functions so that a schema reads as the table that it is in RFC 7643, sections 4 and 8.7.1.
// The defaults are those of section 2.2.

type change func(*Attribute)

func attribute(name string, kind Type, description string, changes ...change) Attribute {
	a := Attribute{
		Name: name, Type: kind, Description: description,
		Mutability: ReadWrite, Returned: ReturnedDefault, Uniqueness: UniqueNone,
	}
	for _, c := range changes {
		c(&a)
	}
	return a
}

func required(a *Attribute)       { a.Required = true }
func caseExact(a *Attribute)      { a.CaseExact = true }
func readOnly(a *Attribute)       { a.Mutability = ReadOnly }
func immutable(a *Attribute)      { a.Mutability = Immutable }
func uniqueOnServer(a *Attribute) { a.Uniqueness = UniqueServer }

func canonical(values ...string) change { return func(a *Attribute) { a.CanonicalValues = values } }

func references(types ...string) change { return func(a *Attribute) { a.ReferenceTypes = types } }

func multiValued(name, description string, subs ...Attribute) Attribute {
	return Attribute{
		Name: name, Type: TypeComplex, MultiValued: true, Description: description,
		Mutability: ReadWrite, Returned: ReturnedDefault, Uniqueness: UniqueNone, SubAttributes: subs,
	}
}

// element is the usual set of sub-attributes (RFC 7643, section 2.4).
func element(value Attribute, types ...string) []Attribute {
	kind := attribute("type", TypeString, "A label indicating the attribute's function.")
	kind.CanonicalValues = types
	return []Attribute{
		value,
		attribute("display", TypeString, "A human-readable name, primarily used for display purposes."),
		kind,
		attribute("primary", TypeBoolean, "Whether this is the preferred value. At most one value is."),
	}
}

// commonAttributes are those of every resource (RFC 7643, section 3.1), and schemas (section 3). They are part of no schema.
func commonAttributes() []Attribute {
	meta := attribute("meta", TypeComplex, "Metadata of the resource.", readOnly)
	meta.SubAttributes = []Attribute{
		attribute("resourceType", TypeString, "The name of the resource type.", readOnly, caseExact),
		attribute("created", TypeDateTime, "When the resource was added.", readOnly),
		attribute("lastModified", TypeDateTime, "When the resource was last changed.", readOnly),
		attribute("location", TypeReference, "The URI of the resource.", readOnly, caseExact, references("uri")),
		attribute("version", TypeString, "The version of the resource, as its ETag.", readOnly, caseExact),
	}
	id := attribute("id", TypeString, "The identifier that the server gave.", readOnly, caseExact, uniqueOnServer)
	id.Returned = ReturnedAlways
	schemas := attribute("schemas", TypeReference, "The URNs of the schemas of the resource.", readOnly, caseExact, references("uri"))
	schemas.MultiValued, schemas.Returned = true, ReturnedAlways
	return []Attribute{
		schemas, id,
		attribute("externalId", TypeString, "The identifier that the client gave.", caseExact),
		meta,
	}
}

// userSchema is RFC 7643, section 4.1.
func userSchema() Schema {
	return Schema{ID: UserSchema, Name: "User", Description: "User Account", Attributes: append(singularAttributes(), pluralAttributes()...)}
}

// singularAttributes are those of section 4.1.1.
func singularAttributes() []Attribute {
	name := attribute("name", TypeComplex, "The components of the user's real name.")
	name.SubAttributes = []Attribute{
		attribute("formatted", TypeString, "The full name, formatted for display."),
		attribute("familyName", TypeString, "The family name."),
		attribute("givenName", TypeString, "The given name."),
		attribute("middleName", TypeString, "The middle names."),
		attribute("honorificPrefix", TypeString, "The honorific prefixes, or title."),
		attribute("honorificSuffix", TypeString, "The honorific suffixes."),
	}
	password := attribute("password", TypeString, "The user's cleartext password. It is accepted and never kept.")
	password.Mutability, password.Returned = WriteOnly, ReturnedNever
	return []Attribute{
		attribute("userName", TypeString, "A service provider unique identifier for the user.", required, uniqueOnServer),
		name,
		attribute("displayName", TypeString, "The name of the user, suitable for display."),
		attribute("nickName", TypeString, "The casual way to address the user."),
		attribute("profileUrl", TypeReference, "The URI of the user's online profile.", caseExact, references("external")),
		attribute("title", TypeString, "The user's title, such as \"Vice President\"."),
		attribute("userType", TypeString, "The relationship between the organization and the user, such as \"Contractor\"."),
		attribute("preferredLanguage", TypeString, "The user's preferred languages, as in the HTTP header Accept-Language."),
		attribute("locale", TypeString, "The user's default location, for currency, date, time and number formats."),
		attribute("timezone", TypeString, "The user's time zone, by its IANA name."),
		attribute("active", TypeBoolean, "The user's administrative status."),
		password,
	}
}

// pluralAttributes are those of section 4.1.2.
func pluralAttributes() []Attribute {
	text := func(description string) Attribute {
		return attribute("value", TypeString, description)
	}
	groups := multiValued("groups", "The groups that the user is a member of, directly or through another group.",
		attribute("value", TypeString, "The identifier of the group.", readOnly, caseExact),
		attribute("$ref", TypeReference, "The URI of the group.", readOnly, caseExact, references("User", "Group")),
		attribute("display", TypeString, "The name of the group.", readOnly),
		attribute("type", TypeString, "How the user is a member.", readOnly, canonical("direct", "indirect")),
	)
	groups.Mutability = ReadOnly
	return []Attribute{
		multiValued("emails", "Email addresses.", element(text("An email address."), "work", "home", "other")...),
		multiValued("phoneNumbers", "Phone numbers.",
			element(text("A phone number."), "work", "home", "mobile", "fax", "pager", "other")...),
		multiValued("ims", "Instant messaging addresses.",
			element(text("An address."), "aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo")...),
		multiValued("photos", "URIs of photos.",
			element(attribute("value", TypeReference, "The URI of a photo.", caseExact, references("external")), "photo", "thumbnail")...),
		multiValued("addresses", "Physical mailing addresses.",
			attribute("formatted", TypeString, "The full address, formatted for display or a label."),
			attribute("streetAddress", TypeString, "The full street address, which may have several lines."),
			attribute("locality", TypeString, "The city."),
			attribute("region", TypeString, "The state or region."),
			attribute("postalCode", TypeString, "The postal code."),
			attribute("country", TypeString, "The country, by its ISO 3166-1 alpha-2 code."),
			attribute("type", TypeString, "A label indicating the attribute's function.", canonical("work", "home", "other")),
			attribute("primary", TypeBoolean, "Whether this is the preferred value. At most one value is."),
		),
		groups,
		multiValued("entitlements", "Things that the user is entitled to.", element(text("An entitlement."))...),
		multiValued("roles", "Roles that say together who the user is.", element(text("A role."))...),
		multiValued("x509Certificates", "Certificates issued to the user.",
			element(attribute("value", TypeBinary, "A DER-encoded X.509 certificate.", caseExact))...),
	}
}

// enterpriseSchema is RFC 7643, section 4.3.
func enterpriseSchema() Schema {
	manager := attribute("manager", TypeComplex, "The user's manager.")
	manager.SubAttributes = []Attribute{
		attribute("value", TypeString, "The identifier of the manager's User resource.", caseExact),
		attribute("$ref", TypeReference, "The URI of the manager's User resource.", caseExact, references("User")),
		attribute("displayName", TypeString, "The manager's display name.", readOnly),
	}
	return Schema{ID: EnterpriseSchema, Name: "EnterpriseUser", Description: "Enterprise User", Attributes: []Attribute{
		attribute("employeeNumber", TypeString, "The identifier that the organization gave to the person."),
		attribute("costCenter", TypeString, "The name of a cost center."),
		attribute("organization", TypeString, "The name of an organization."),
		attribute("division", TypeString, "The name of a division."),
		attribute("department", TypeString, "The name of a department."),
		manager,
	}}
}

// groupSchema is RFC 7643, section 4.2. displayName is required by its text, though not by the table of section 8.7.1.
func groupSchema() Schema {
	return Schema{ID: GroupSchema, Name: "Group", Description: "Group", Attributes: []Attribute{
		attribute("displayName", TypeString, "A human-readable name for the group.", required),
		multiValued("members", "The members of the group.",
			attribute("value", TypeString, "The identifier of the member.", immutable, caseExact),
			attribute("$ref", TypeReference, "The URI of the member.", immutable, caseExact, references("User", "Group")),
			attribute("type", TypeString, "The kind of member.", immutable, canonical("User", "Group")),
			attribute("display", TypeString, "The member's name.", readOnly),
		),
	}}
}
