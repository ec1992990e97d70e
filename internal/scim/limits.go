package scim

// What a client may send. Each limit is far above what real clients send and low enough that the largest request costs
// megabytes, not gigabytes. Over a size is answered 413, over a depth or a length of text 400.
const (
	// MaxBody is the size of a request's body in bytes. A PUT of a group with MaxMembers members fits.
	MaxBody = 8 << 20

	// MaxMembers is the number of members in one request.
	MaxMembers = 30_000

	// MaxElements is the number of values of one multi-valued attribute of a resource.
	MaxElements = 1_000

	// MaxOperations is the number of operations of one PATCH.
	MaxOperations = 1_000

	// MaxText is the length of a text in bytes; attributes that are indexed have MaxKeyText.
	MaxText = 128 << 10

	// MaxKeyText is the length in bytes of userName, externalId, displayName and emails.value, which are indexed: an index of
	// Postgres holds no more than 2,700 bytes a row.
	MaxKeyText = 1_024

	// MaxFilterTerms is the number of comparisons in a filter; more are answered tooMany.
	MaxFilterTerms = 50

	// MaxFilterText is the length of a filter in bytes.
	MaxFilterText = 16 << 10

	maxFilterDepth = 30
	maxPathTerms   = 10      // comparisons in the value filter of a PATCH path
	maxDepth       = 16      // of nested objects and arrays
	maxKeys        = 500     // of one object
	maxValues      = 250_000 // in one body, of any kind
	maxNumberText  = 40      // characters of a number
	maxUnknown     = 20      // unknown attributes that are reported
)

// minNumber is the smallest number, so that none has more digits than maxNumberText when Postgres writes it out in full.
const minNumber = 1e-15

// maxInteger is the greatest whole number that every reader of JSON keeps exactly (RFC 8259, section 6).
const maxInteger = 1<<53 - 1
