package scim

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

const acmeURN = "urn:example:params:scim:schemas:extension:acme-corp:2.0:User"

// acmeSchema has an attribute of every kind.
func acmeSchema(t testing.TB) Schema {
	t.Helper()
	s, err := NewExtension(Schema{ID: acmeURN, Name: "Acme", Attributes: []Attribute{
		{Name: "badge", Mutability: Immutable},
		{Name: "level", Type: TypeInteger},
		{Name: "share", Type: TypeDecimal},
		{Name: "remote", Type: TypeBoolean},
		{Name: "hired", Type: TypeDateTime},
		{Name: "key", Type: TypeBinary},
		{Name: "home", Type: TypeReference},
		{Name: "tags", MultiValued: true},
		{Name: "codes", MultiValued: true, CaseExact: true},
		{Name: "grade", CanonicalValues: []string{"Junior", "Senior"}},
		{Name: "pin", Mutability: WriteOnly},
		{Name: "notes", Returned: ReturnedRequest},
		{Name: "desk", Type: TypeComplex, SubAttributes: []Attribute{{Name: "floor", Type: TypeInteger}, {Name: "room", Required: true}}},
		{Name: "cars", Type: TypeComplex, MultiValued: true, SubAttributes: []Attribute{{Name: "plate", Mutability: Immutable}, {Name: "colour"}}},
	}})
	require.NoError(t, err)
	return s
}

func acmeType(t testing.TB) ResourceType {
	t.Helper()
	return UserType(acmeSchema(t))
}

// asJSON is the JSON of a canonical value, by encoding/json.
func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

func load(t testing.TB, rt ResourceType, text string) Resource {
	t.Helper()
	r, err := rt.Load([]byte(text))
	require.NoError(t, err)
	return r
}

// requireError checks the scimType, and the status that goes with it.
func requireError(t testing.TB, err error, scimType string) {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, scimType, e.Type, e.Detail)
	require.NotEmpty(t, e.Detail)
	require.True(t, e.Status == 400 || e.Status == 413 && scimType == "", "status %d", e.Status)
}

func scimType(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Type
	}
	return ""
}

func statusOf(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status
	}
	return 0
}
