package scim

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const benchUser = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
	"externalId":"0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef","userName":"bjensen@example.com","active":true,"displayName":"Barbara Jensen",
	"name":{"formatted":"Barbara Jensen","familyName":"Jensen","givenName":"Barbara"},"title":"Tour Guide","preferredLanguage":"en-US",
	"emails":[{"primary":true,"type":"work","value":"bjensen@example.com"},{"type":"home","value":"babs@jensen.org"}],
	"phoneNumbers":[{"type":"work","value":"555-555-5555"},{"type":"mobile","value":"555-555-4444"}],
	"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"701984","department":"Tour Operations","manager":{"value":"26118915-6090-4610-87e4-49d8ca9f808d"}}}`

func BenchmarkDecodeUser(b *testing.B) {
	rt, body := UserType(), []byte(benchUser)
	b.ReportAllocs()
	for b.Loop() {
		_, err := Decode(rt, body, Options{})
		require.NoError(b, err)
	}
}

func BenchmarkDecodeGroupOf10000(b *testing.B) {
	body := []byte(`{"displayName":"g","members":` + members(10_000) + `}`)
	b.ReportAllocs()
	for b.Loop() {
		_, err := Decode(GroupType(), body, Options{})
		require.NoError(b, err)
	}
}

func BenchmarkEncodeUser(b *testing.B) {
	r := load(b, UserType(), benchUser)
	var room [4096]byte
	b.ReportAllocs()
	for b.Loop() {
		AppendJSON(room[:0], r)
	}
}

// BenchmarkPatchActive is what a handler does between reading and writing the row: request, stored resource, change, result.
func BenchmarkPatchActive(b *testing.B) {
	rt := UserType()
	in, err := Decode(rt, []byte(benchUser), Options{})
	require.NoError(b, err)
	stored := AppendJSON(nil, in.Resource)
	body := []byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"active","value":"False"}]}`)
	var room [4096]byte
	b.ReportAllocs()
	for b.Loop() {
		p, err := DecodePatch(rt, body, Options{})
		require.NoError(b, err)
		r, err := rt.Load(stored)
		require.NoError(b, err)
		r, changed, err := p.Apply(r)
		require.NoError(b, err)
		require.True(b, changed)
		AppendJSON(room[:0], r)
	}
}

func BenchmarkPatchMember(b *testing.B) {
	body := []byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Add","path":"members","value":[{"$ref":null,"value":"f648f8d5ea4e4cd38e9c"}]}]}`)
	b.ReportAllocs()
	for b.Loop() {
		_, err := DecodePatch(GroupType(), body, Options{})
		require.NoError(b, err)
	}
}

func BenchmarkFilter(b *testing.B) {
	rt := UserType()
	for _, text := range []string{`userName eq "bjensen@example.com"`, `title pr and (userType eq "Employee" or not (emails[type eq "work" and value co "@example.com"]))`} {
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := ParseFilter(rt, text)
				require.NoError(b, err)
			}
		})
	}
}
