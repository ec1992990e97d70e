package scim

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

func TestKindOfStatus(t *testing.T) {
	t.Parallel()
	scimError := refusal{Schemas: []string{messageError}}
	get, write, list := call{method: "GET", object: "1"}, call{method: "PATCH", object: "1"}, call{method: "GET"}
	for _, test := range []struct {
		status int
		body   refusal
		call   call
		want   connectors.Kind
	}{
		{404, scimError, get, connectors.KindNotFound},
		{404, scimError, write, connectors.KindNotFound},
		{410, scimError, get, connectors.KindNotFound},
		{404, refusal{}, get, connectors.KindUnavailable},
		{404, scimError, list, connectors.KindUnavailable},
		{400, refusal{ScimType: "uniqueness"}, write, connectors.KindConflict},
		{400, refusal{ScimType: "noTarget"}, write, connectors.KindInvalid},
		{405, refusal{}, write, connectors.KindUnsupported},
		{408, refusal{}, write, connectors.KindUnavailable},
		{412, refusal{}, write, connectors.KindUnavailable},
		{413, refusal{}, write, connectors.KindInvalid},
		{303, refusal{}, write, connectors.KindUnavailable},
		{500, refusal{}, write, connectors.KindUnavailable},
		{503, refusal{}, write, connectors.KindUnavailable},
		{522, refusal{}, write, connectors.KindAmbiguous},
		{522, refusal{}, get, connectors.KindUnavailable},
	} {
		require.Equal(t, test.want, kindOf(test.status, test.body, test.call), "%d %v %v", test.status, test.body, test.call)
	}
}

func TestDetailCanBeStored(t *testing.T) {
	t.Parallel()
	require.Equal(t, "no [token] here", detail([]byte("no t0k3n here"), "t0k3n"))
	rapid.Check(t, func(t *rapid.T) {
		body := append(rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "head"), strings.Repeat("€t0k3n", rapid.IntRange(0, 2000).Draw(t, "n"))...)
		s := detail(body, "t0k3n")
		require.True(t, utf8.ValidString(s))
		require.LessOrEqual(t, len(s), maxDetail)
		require.NotContains(t, s, "\x00")
		require.NotContains(t, s, "t0k3n")
	})
}
