package entra

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tenurehq/tenure/connectors"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0},
		{"7", "", 7 * time.Second},
		{" 0 ", "", 0},
		{"-5", "", 0},
		{"soon", "", 0},
		{"99999999999999", "", 0},
		{"Sun, 01 Mar 2026 12:00:30 GMT", "", 30 * time.Second},
		{"Sun, 01 Mar 2026 11:00:00 GMT", "", 0},
		{"Sun, 01 Mar 2026 12:00:30 GMT", "Sun, 01 Mar 2026 12:00:10 GMT", 20 * time.Second},
	} {
		h := http.Header{}
		h.Set("Retry-After", test.value)
		h.Set("Date", test.date)
		require.Equal(t, test.want, retryAfter(h, now), test.value)
	}
}

// said is a Graph error with the code and message (graph/errors).
func said(code, message string) refusal { return refusal{code: code, message: message} }

func TestKindOfRefusal(t *testing.T) {
	t.Parallel()
	get, write, list := call{method: "GET", object: "1"}, call{method: "PATCH", object: "1"}, call{method: "GET"}
	const bad = "Request_BadRequest"
	for _, test := range []struct {
		status int
		said   refusal
		call   call
		kind   connectors.Kind
		cause  error
	}{
		{404, said("Request_ResourceNotFound", "Resource 'x' does not exist"), get, connectors.KindNotFound, codeError("Request_ResourceNotFound")},
		{404, said("ResourceNotFound", ""), write, connectors.KindNotFound, codeError("ResourceNotFound")},
		{404, refusal{}, get, connectors.KindUnavailable, nil},
		{404, said("Request_ResourceNotFound", ""), list, connectors.KindUnavailable, codeError("Request_ResourceNotFound")},
		{400, said(bad, "Another object with the same value for property userPrincipalName already exists."), write, connectors.KindConflict, errUnique},
		{400, refusal{code: bad, details: []string{"ObjectConflict"}}, write, connectors.KindConflict, errUnique},
		{400, said(bad, "One or more added object references already exist for the following modified properties: 'members'."), write, connectors.KindConflict, errHeldAlready},
		{400, refusal{message: "One or more added object references already exist"}, write, connectors.KindInvalid, nil},
		{400, said(bad, "Permission being assigned already exists on the object"), write, connectors.KindConflict, errHeldAlready},
		{400, said(bad, "User does not have a corresponding license."), write, connectors.KindInvalid, errNotHeld},
		{400, said(bad, "Subscription with SKU x does not have any available licenses."), write, connectors.KindInvalid, errNoSeat},
		{400, said(bad, "License assignment cannot be done for user with invalid usage location."), write, connectors.KindNotFound, errNoLocation},
		{400, said(bad, "User license is inherited from a group membership and it cannot be removed directly from the user."), write, connectors.KindInvalid, errInherited},
		{400, said(bad, "Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration."), write, connectors.KindInvalid, errSynchronized},
		{400, said(bad, "Cannot Update a mail-enabled security groups and or distribution list."), write, connectors.KindInvalid, errMailGroup},
		{400, said(bad, "Something else"), write, connectors.KindInvalid, codeError(bad)},
		{410, said("syncStateNotFound", ""), list, connectors.KindInvalid, errExpired},
		{410, said("resyncRequired", ""), list, connectors.KindInvalid, errExpired},
		{410, refusal{}, list, connectors.KindUnavailable, nil},
		{403, said("Authorization_RequestDenied", ""), write, connectors.KindUnauthorized, codeError("Authorization_RequestDenied")},
		{403, said("Directory_QuotaExceeded", ""), write, connectors.KindInvalid, codeError("Directory_QuotaExceeded")},
		{405, refusal{}, write, connectors.KindUnsupported, nil},
		{408, refusal{}, write, connectors.KindUnavailable, nil},
		{412, refusal{}, write, connectors.KindUnavailable, nil},
		{423, refusal{}, write, connectors.KindUnavailable, nil},
		{424, refusal{}, write, connectors.KindUnavailable, nil},
		{303, refusal{}, write, connectors.KindUnavailable, nil},
		{500, refusal{}, write, connectors.KindUnavailable, nil},
		{509, refusal{}, write, connectors.KindAmbiguous, nil},
		{509, refusal{}, get, connectors.KindUnavailable, nil},
	} {
		kind, cause := kindOf(test.status, test.said, test.call)
		require.Equal(t, test.kind, kind, "%d %v", test.status, test.said)
		require.Equal(t, test.cause, cause, "%d %v", test.status, test.said)
	}
}

func TestReadRefusal(t *testing.T) {
	t.Parallel()
	const body = `{"error": {"code": "Request_BadRequest", "message": "no", "details": [{"code": "ObjectConflict", "target": "x"}, null], "innerError": {"date": "2026-03-01T12:00:00", "request-id": "r"}}}`
	require.Equal(t, refusal{code: "Request_BadRequest", message: "no", details: []string{"ObjectConflict"}}, readRefusal([]byte(body)))
	for _, none := range []string{
		"", " ", "null", "0", `"text"`, "[]", "{}", "<html>", `{"error": null}`, `{"error": "invalid_client"}`, `{"error": []}`, `{"error": {}}`, `{"error":`,
		`{"error": {"code": "Kanari Vogel"}}`, `{"error": {"code": 7}}`, `{"error": {"code": null}}`, "\x00\xff",
	} {
		require.Empty(t, readRefusal([]byte(none)).code, none)
	}
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SampledFrom([]string{"null", "0", `"x"`, "[]", "{}", "[null]", "[0]", `[{"code":0}]`, "true", "1e9"})
		body := `{"error": {"code": ` + value.Draw(t, "code") + `, "message": ` + value.Draw(t, "message") + `, "details": ` + value.Draw(t, "details") +
			`, "innerError": ` + value.Draw(t, "inner") + `, "target": ` + value.Draw(t, "target") + `}}`
		readRefusal([]byte(body))
	})
}

func TestDetailCanBeStored(t *testing.T) {
	t.Parallel()
	require.Equal(t, "no [secret] here", detail([]byte("no t0k3n here"), []string{"", "t0k3n"}))
	rapid.Check(t, func(t *rapid.T) {
		body := append(rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "head"), strings.Repeat("€t0k3n", rapid.IntRange(0, 2000).Draw(t, "n"))...)
		s := detail(body, []string{"t0k3n"})
		require.True(t, utf8.ValidString(s))
		require.LessOrEqual(t, len(s), maxDetail)
		require.NotContains(t, s, "\x00")
		require.NotContains(t, s, "t0k3n")
	})
}

func TestQuote(t *testing.T) {
	t.Parallel()
	require.Equal(t, `'O''Hara'`, quote("O'Hara"))
	require.Equal(t, `'x'' or displayName ne '''`, quote("x' or displayName ne '"))
	require.Equal(t, `''`, quote(""))
}

func TestNamesAreKeptForAWhile(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	cache, loads := newNameCache(), 0
	cache.now = func() time.Time { return now }
	load := func() (map[string]string, error) { loads++; return map[string]string{"a": "A", "b": "B"}, nil }
	for _, step := range []struct {
		key, want string
		later     time.Duration
		loads     int
	}{{"a", "A", 0, 1}, {"b", "B", 0, 1}, {"c", "", 0, 2}, {"c", "", 0, 2}, {"a", "A", namesAge - 1, 2}, {"a", "A", 1, 3}} {
		now = now.Add(step.later)
		got, err := cache.get(step.key, load)
		require.NoError(t, err)
		require.Equal(t, step.want, got)
		require.Equal(t, step.loads, loads, step.key)
	}
	_, err := cache.get("d", func() (map[string]string, error) { return nil, http.ErrServerClosed })
	require.ErrorIs(t, err, http.ErrServerClosed)
}
