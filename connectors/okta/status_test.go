package okta

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
)

func TestKindOf(t *testing.T) {
	t.Parallel()
	const loginTaken = `{"errorCode":"E0000001","errorCauses":[{"errorSummary":"login: An object with this field already exists in the current organization"}]}`
	for _, tt := range []struct {
		status      int
		body        string
		read, write connectors.Kind
	}{
		{400, `{"errorCode":"E0000001"}`, connectors.KindInvalid, connectors.KindInvalid},
		{400, loginTaken, connectors.KindConflict, connectors.KindConflict},
		{401, `{"errorCode":"E0000011"}`, connectors.KindUnauthorized, connectors.KindUnauthorized},
		{403, `{"errorCode":"E0000006"}`, connectors.KindUnauthorized, connectors.KindUnauthorized},
		{403, `{"errorCode":"E0000038"}`, connectors.KindInvalid, connectors.KindInvalid},
		{403, `{"errorCode":"E0000080"}`, connectors.KindInvalid, connectors.KindInvalid},
		{404, `{"errorCode":"E0000007"}`, connectors.KindNotFound, connectors.KindNotFound},
		{404, `{"errorCode":"E0000008"}`, connectors.KindUnavailable, connectors.KindUnavailable},
		{404, `<html>E0000007</html>`, connectors.KindUnavailable, connectors.KindUnavailable},
		{409, `{"errorCode":"E0000112"}`, connectors.KindUnavailable, connectors.KindUnavailable},
		{409, `{"errorCode":"E0000055"}`, connectors.KindConflict, connectors.KindConflict},
		{411, ``, connectors.KindInvalid, connectors.KindInvalid},
		{429, `{"errorCode":"E0000047"}`, connectors.KindThrottled, connectors.KindThrottled},
		{501, `{"errorCode":"E0000060"}`, connectors.KindUnsupported, connectors.KindUnsupported},
		{500, `{"errorCode":"E0000009"}`, connectors.KindUnavailable, connectors.KindUnavailable},
		{502, ``, connectors.KindUnavailable, connectors.KindAmbiguous},
		{503, ``, connectors.KindUnavailable, connectors.KindUnavailable},
		{524, ``, connectors.KindUnavailable, connectors.KindAmbiguous},
		{302, ``, connectors.KindUnavailable, connectors.KindUnavailable},
	} {
		r := readRefusal([]byte(tt.body))
		require.Equal(t, tt.read, kindOf(tt.status, r, false), "%d %s", tt.status, tt.body)
		require.Equal(t, tt.write, kindOf(tt.status, r, true), "%d %s", tt.status, tt.body)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	date := time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC)
	at := func(limit, remaining string, reset time.Duration) http.Header {
		return http.Header{
			"Date": {date.Format(http.TimeFormat)}, "X-Rate-Limit-Limit": {limit}, "X-Rate-Limit-Remaining": {remaining},
			"X-Rate-Limit-Reset": {strconv.FormatInt(date.Add(reset).Unix(), 10)},
		}
	}
	without := func(name string) http.Header {
		h := at("600", "0", 30*time.Second)
		h.Del(name)
		return h
	}
	for _, tt := range []struct {
		header http.Header
		want   time.Duration
	}{
		{at("600", "0", 30*time.Second), 30 * time.Second},
		{at("600", "0", 0), time.Second},
		{at("600", "0", -time.Hour), time.Second},
		{at("0", "0", time.Minute), time.Second},
		{at("600", "0", 1000*time.Hour), 1000 * time.Hour},
		{at("x", "0", time.Minute), 0},
		{at("600", "-1", time.Minute), 0},
		{without("Date"), 0}, {without("X-Rate-Limit-Reset"), 0}, {without("X-Rate-Limit-Limit"), 0},
		{http.Header{"Retry-After": {"7"}}, 7 * time.Second},
		{http.Header{"Retry-After": {"-7"}}, 0},
		{http.Header{"Retry-After": {"Wed, 21 Oct 2026 07:28:00 GMT"}}, 0},
		{http.Header{}, 0},
	} {
		require.Equal(t, tt.want, retryAfter(tt.header), "%v", tt.header)
	}
}

func TestDetail(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a [secret] b [secret]", detail([]byte("a t0k3n b p4ss"), "t0k3n", "", "p4ss"))
	require.Equal(t, "a\uFFFDb", detail([]byte("a\xff\x00b")))
	long := detail([]byte("x" + strings.Repeat("ü", 4<<10)))
	require.Len(t, long, maxDetail-1)
}

// The default password policy (Users API: Default Password Policy): no part of the login of four characters or more may
// stand in the password, and every class of character is there.
func TestNewPassword(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		p := newPassword()
		require.False(t, seen[p])
		seen[p] = true
		require.LessOrEqual(t, len(p), 72)
		require.NotRegexp(t, `[A-Za-z0-9]{4}`, p)
		for _, class := range []string{`[a-z]`, `[A-Z]`, `[0-9]`, `-`} {
			require.Regexp(t, class, p)
		}
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain": `"plain"`, `x" or id pr`: `"x\" or id pr"`, `back\`: `"back\\"`, "tab\t": `"tab\u0009"`, "<ü&>": `"<ü&>"`,
	} {
		require.Equal(t, want, quote(in))
	}
}

// The latest endings are remembered, however many there were.
func TestEndings(t *testing.T) {
	t.Parallel()
	var e endings
	start := time.Unix(0, 0)
	for n := range 2*maxEndings + 1 {
		e.note(strconv.Itoa(n), start.Add(time.Duration(n)))
	}
	for n := range maxEndings {
		at, ok := e.at(strconv.Itoa(2*maxEndings - n))
		require.True(t, ok)
		require.Equal(t, start.Add(time.Duration(2*maxEndings-n)), at)
	}
	_, ok := e.at("0")
	require.False(t, ok, "they are bounded")
	e.note("0", start)
	at, ok := e.at("0")
	require.True(t, ok)
	require.Equal(t, start, at)
}
