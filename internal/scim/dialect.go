package scim

// Dialect is the way in which a client speaks SCIM. It is set per token or recognised by the content of a PATCH.
type Dialect string

// The dialects. What differs:
//
//   - A replace with a value filter that selects nothing is noTarget (RFC 7644, section 3.5.2.3), and creates the element for
//     Entra, which sends it also when no such element exists yet.
//   - A remove with a value filter that selects nothing is noTarget (section 3.12, table 9); for Entra and Okta, which repeat
//     requests, it has nothing to do, and for nobody where the values are a Group's members: they are not read for it.
//   - A PATCH path that is well-formed and leads to no attribute is invalidPath; for Entra and Okta, whose attribute mappings
//     may be wider than the schemas, it is an unknown attribute and treated as the policy says.
//   - A read-only attribute in the value of a PATCH without a path is a mutability error; Entra and Okta send whole profiles,
//     from which it is left out. id, schemas and meta are left out for everybody.
//   - PATCH of a group is answered with 200 and the group, and with 204 for Entra.
const (
	RFC   Dialect = "rfc"
	Entra Dialect = "entra"
	Okta  Dialect = "okta"
)

// lenient says whether the client is one of those that do not follow the RFC in what they leave in requests.
func (d Dialect) lenient() bool { return d == Entra || d == Okta }
