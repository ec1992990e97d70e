package scim

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHostileBodies sends what is made to exhaust a server. Each is answered 4xx and costs little memory. It does not run beside
// other tests, because memory is counted for the process.
func TestHostileBodies(t *testing.T) {
	user := func(s string) string { return `{"userName":"a",` + s + `}` }
	list := func(n int, element string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(element+",", n), ",") + "]"
	}
	keys := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"k%d":1`, i)
		}
		return "{" + b.String()[1:] + "}"
	}
	const mb = 1 << 20
	for _, c := range []struct {
		name, body, scimType string
		status               int
		memory               uint64 // bytes allocated in all
	}{
		{"10 MB", user(`"title":"` + strings.Repeat("x", 10*mb) + `"`), "", 413, 1 << 16},
		{"8 MB text", user(`"title":"` + strings.Repeat("x", 7*mb) + `"`), InvalidSyntax, 400, 9 * mb},
		{"10 MB of spaces", strings.Repeat(" ", 10*mb), "", 413, 1 << 16},
		{"deep arrays", user(`"x":` + strings.Repeat("[", 1_000_000)), InvalidSyntax, 400, 2 * mb},
		{"deep objects", strings.Repeat(`{"a":`, 1_000_000), InvalidSyntax, 400, 6 * mb},
		{"deep in a patch", `{"Operations":[{"op":"add","value":` + strings.Repeat(`{"name":`, 100_000) + `1`, InvalidSyntax, 400, 2 * mb},
		{"100,000 elements", user(`"emails":` + list(100_000, `{"value":"x"}`)), "", 413, 12 * mb},
		{"100,000 nulls", user(`"emails":` + list(100_000, `null`)), "", 413, 4 * mb},
		{"2,000 elements", user(`"emails":` + list(2_000, `{"value":"x"}`)), InvalidValue, 400, mb},
		{"millions of empty objects", user(`"x":` + list(100, list(20_000, `{}`))), "", 413, 24 * mb},
		{"100,000 keys", `{"userName":"a","x":` + keys(100_000) + `}`, "", 413, 4 * mb},
		{"keys in each of many objects", user(`"x":` + list(600, keys(450))), "", 413, 40 * mb},
		{"huge number", user(`"x":1e999999999`), InvalidSyntax, 400, 1 << 16},
		{"huge integer", user(`"x":` + strings.Repeat("9", 30)), InvalidSyntax, 400, 1 << 16},
		{"integer beyond 2^53", user(`"x":9007199254740992`), InvalidSyntax, 400, 1 << 16},
		{"million digits", user(`"x":0.` + strings.Repeat("1", mb)), InvalidSyntax, 400, 3 * mb},
		{"tiny number", user(`"x":1e-300`), InvalidSyntax, 400, 1 << 16},
		{"equal keys", `{"userName":"a","userName":"b"}`, InvalidSyntax, 400, 1 << 16},
		{"equal keys by escapes", `{"userName":"a","user\u004eame":"b"}`, InvalidSyntax, 400, 1 << 16},
		{"equal keys below", user(`"name":{"givenName":"a","givenName":"b"}`), InvalidSyntax, 400, 1 << 16},
		{"invalid UTF-8", user("\"title\":\"\xff\""), InvalidSyntax, 400, 1 << 16},
		{"overlong UTF-8", user("\"title\":\"\xc0\x80\""), InvalidSyntax, 400, 1 << 16},
		{"half a surrogate pair", user(`"title":"\ud83d"`), InvalidSyntax, 400, 1 << 16},
		{"surrogates in the wrong order", user(`"title":"\ude00\ud83d"`), InvalidSyntax, 400, 1 << 16},
		{"NUL", user("\"title\":\"\x00\""), InvalidSyntax, 400, 1 << 16},
		{"escaped NUL", user(`"title":"a\u0000"`), InvalidSyntax, 400, 1 << 16},
		{"NUL in a key", user(`"a\u0000":1`), InvalidSyntax, 400, 1 << 16},
		{"line break in a text", user("\"title\":\"a\nb\""), InvalidSyntax, 400, 1 << 16},
		{"UTF-16", "\xff\xfe{\x00}\x00", InvalidSyntax, 400, 1 << 16},
		{"not JSON", `userName=a`, InvalidSyntax, 400, 1 << 16},
		{"comma at the end", user(`"x":[1,]`), InvalidSyntax, 400, 1 << 16},
		{"no end", `{"userName":"a"`, InvalidSyntax, 400, 1 << 16},
		{"leading zero", user(`"x":01`), InvalidSyntax, 400, 1 << 16},
		{"1,001 operations", `{"Operations":` + list(1001, `{"op":"remove","path":"title"}`) + `}`, "", 413, 4 * mb},
		{"long path", `{"Operations":[{"op":"remove","path":"emails[` + strings.Repeat("(", 100_000) + `"}]}`, InvalidPath, 400, mb},
		{"deep filter in a path", `{"Operations":[{"op":"remove","path":"emails[` + strings.Repeat("(", 10_000) + `"}]}`, InvalidFilter, 400, 1 << 17},
		{"many terms in a path", `{"Operations":[{"op":"remove","path":"emails[` + strings.Repeat("type pr or ", 10) + `type pr]"}]}`, TooMany, 400, 1 << 16},
		{"members over several operations", `{"Operations":` + list(9, `{"op":"add","path":"members","value":`+members(5_000)+`}`) + `}`, "", 413, 40 * mb},
	} {
		body := []byte(c.body)
		if c.name == "members over several operations" {
			body = []byte(distinctMembers(9, 5_000))
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var err error
		switch {
		case strings.Contains(c.name, "member"):
			_, err = DecodePatch(GroupType(), body, Options{})
		case strings.HasPrefix(c.body, `{"Operations"`):
			_, err = DecodePatch(UserType(), body, Options{})
		default:
			_, err = Decode(UserType(), body, Options{RejectUnknown: true})
		}
		runtime.ReadMemStats(&after)
		require.Error(t, err, c.name)
		requireError(t, err, c.scimType)
		require.Equal(t, c.status, statusOf(err), c.name)
		require.LessOrEqual(t, after.TotalAlloc-before.TotalAlloc, c.memory, c.name)
		require.Less(t, len(err.Error()), 2_000, c.name)
	}
}

func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,{"value":"%08d-7f76-453a-919d-413861904646"}`, i)
	}
	return "[" + b.String()[1:] + "]"
}

// distinctMembers is a PATCH of many operations, each with other members.
func distinctMembers(operations, n int) string {
	var b strings.Builder
	for i := range operations {
		fmt.Fprintf(&b, `,{"op":"add","path":"members","value":%s}`, strings.ReplaceAll(members(n), "-7f76-", fmt.Sprintf("-%04d-", i)))
	}
	return `{"Operations":[` + b.String()[1:] + `]}`
}

// TestLargeBodiesThatAreAllowed has the largest that clients send.
func TestLargeBodiesThatAreAllowed(t *testing.T) {
	t.Parallel()
	in, err := Decode(GroupType(), []byte(`{"displayName":"g","members":`+members(10_000)+`}`), Options{})
	require.NoError(t, err)
	require.Len(t, in.Members, 10_000)
	p, err := DecodePatch(GroupType(), []byte(`{"Operations":[{"op":"replace","path":"members","value":`+members(MaxMembers)+`}]}`), Options{})
	require.NoError(t, err)
	require.Len(t, p.Members[0].Members, MaxMembers)
	u, err := Decode(UserType(), []byte(`{"userName":"a","roles":[`+strings.TrimSuffix(strings.Repeat(`"x",`, MaxElements), ",")+`]}`), Options{})
	require.NoError(t, err)
	require.Len(t, u.Resource["roles"], 1)
}

// TestPatchWorkIsBounded: many operations on many values are refused before they cost seconds.
func TestPatchWorkIsBounded(t *testing.T) {
	t.Parallel()
	roles := make([]any, MaxElements)
	for i := range roles {
		roles[i] = map[string]any{"value": fmt.Sprint("role ", i)}
	}
	stored := Resource{"userName": "a", "roles": roles}
	var added strings.Builder
	for i := range 900 {
		fmt.Fprintf(&added, `,"other %d"`, i)
	}
	op := `{"op":"add","path":"roles","value":[` + added.String()[1:] + `]},{"op":"remove","path":"roles","value":[` + added.String()[1:] + `]}`
	_, _, err := patch(UserType(), stored, "["+strings.TrimSuffix(strings.Repeat(op+",", 50), ",")+"]", Options{})
	requireError(t, err, "")
	_, _, err = patch(UserType(), stored, `[{"op":"add","path":"roles","value":"one more"}]`, Options{})
	requireError(t, err, InvalidValue)
}
