package connectortest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
)

// canary stands in the name of every account and in what the target answers: no error's text may show it.
const canary = "Kanari Vogel"

var faultTests = map[string]func(*testing.T, subject){
	"a create whose answer is lost":        testAmbiguousCreate,
	"a create that takes effect later":     testLateCreate,
	"a status":                             testStatuses,
	"throttled":                            testThrottled,
	"no answer":                            testNoAnswer,
	"the deadline is kept":                 testDeadline,
	"a dropped connection":                 testDropped,
	"a target that cannot be reached":      testUnreachable,
	"rubbish instead of an answer":         testRubbish,
	"a gateway's 404 is not an absence":    testBare404,
	"an error's text says nothing private": testPrivacy,
	"a redirect is not followed":           testRedirect,
}

// operation is one call of the contract.
type operation struct {
	name   string
	writes bool
	call   func(ctx context.Context) error
}

// arena is a target behind a proxy, with an account in it that holds an entitlement.
type arena struct {
	subject
	proxy      *FaultProxy
	operations []operation
}

func newArena(t *testing.T, s subject) arena {
	t.Helper()
	account := s.create(t, canary)
	proxy := Start(t, s.BaseURL)
	behind := subject{s.Target, s.Connect(t, proxy.URL)}
	id := account.NativeID
	correlation := s.NewAccount(canary).Attributes[s.Correlation].(string)
	ops := []operation{
		{"Probe", false, behind.Probe},
		{"GetAccount", false, func(ctx context.Context) error { _, err := behind.GetAccount(ctx, id); return err }},
		{"FindAccounts", false, func(ctx context.Context) error {
			_, err := behind.FindAccounts(ctx, s.Correlation, correlation)
			return err
		}},
		{"ListAccounts", false, func(ctx context.Context) error { _, err := behind.ListAccounts(ctx, connectors.Page{}); return err }},
		{"CreateAccount", true, func(ctx context.Context) error {
			_, err := behind.writer().CreateAccount(ctx, s.NewAccount(canary+" II"))
			return err
		}},
		{"UpdateAccount", true, func(ctx context.Context) error {
			return behind.writer().UpdateAccount(ctx, id, map[string]any{s.Text: canary + " III"})
		}},
		{"SetEnabled", true, func(ctx context.Context) error { return behind.writer().SetEnabled(ctx, id, !account.Enabled) }},
		{"DeleteAccount", true, func(ctx context.Context) error { return behind.writer().DeleteAccount(ctx, id) }},
	}
	if _, ok := s.Connector.(connectors.EntitlementGranter); ok {
		e := s.NewEntitlements(t, 1)[0]
		ops = append(
			ops,
			operation{"FindEntitlement", false, func(ctx context.Context) error {
				_, err := behind.granter().FindEntitlement(ctx, e.Kind, e.Name)
				return err
			}},
			operation{"GrantsOf", false, func(ctx context.Context) error { _, err := behind.granter().GrantsOf(ctx, id); return err }},
			operation{"Grant", true, func(ctx context.Context) error { return behind.granter().Grant(ctx, id, e) }},
			operation{"Revoke", true, func(ctx context.Context) error { return behind.granter().Revoke(ctx, id, e) }},
		)
	}
	return arena{behind, proxy, append(ops, revocationOperations(t, behind, id)...)}
}

// strike lets the fault befall every read of a reading operation, and every write of a writing one, and hands each
// error to check.
func (a arena) strike(t *testing.T, fault Fault, check func(op operation, err error)) {
	t.Helper()
	for _, op := range a.operations {
		a.proxy.Reset()
		a.proxy.SetRules(Rule{Writes: op.writes, Fault: fault})
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		err := op.call(ctx)
		cancel()
		require.Error(t, err, op.name)
		a.requirePrivate(t, op, err)
		check(op, err)
	}
	a.proxy.SetRules()
}

// requirePrivate checks that the error is one of package connectors whose text holds no secret and no personal data.
func (a arena) requirePrivate(t *testing.T, op operation, err error) {
	t.Helper()
	var e *connectors.Error
	require.ErrorAs(t, err, &e, op.name)
	require.NotEmpty(t, e.Action, op.name)
	require.LessOrEqual(t, len(e.Detail), 4<<10, op.name)
	// The whole chain, since a logger may print the cause.
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		for _, private := range []string{canary, strings.ReplaceAll(canary, " ", "+"), strings.ReplaceAll(canary, " ", "%20"), "filter="} {
			require.NotContains(t, cause.Error(), private, op.name)
		}
		for _, secret := range a.Secrets {
			require.NotContains(t, cause.Error()+e.Detail, secret, op.name)
		}
	}
}

// writesSeen is how many writes reached the proxy since the last operation began.
func (a arena) writesSeen() int {
	n := 0
	for _, r := range a.proxy.Requests() {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			n++
		}
	}
	return n
}

func testAmbiguousCreate(t *testing.T, s subject) {
	a := newArena(t, s)
	a.proxy.Reset() // the arena's own writes
	a.proxy.SetRules(Rule{Method: http.MethodPost, Times: 1, Fault: DropAfter()})
	_, err := a.writer().CreateAccount(bounded(t), a.NewAccount("ada"))
	requireKind(t, connectors.KindAmbiguous, err)
	require.Equal(t, 1, a.writesSeen())
	a.settle()
	require.Len(t, a.find(t, "ada"), 1)
}

func testLateCreate(t *testing.T, s subject) {
	a := newArena(t, s)
	a.proxy.SetRules(Rule{Method: http.MethodPost, Times: 1, Fault: DelayedEffect(0)})
	_, err := a.writer().CreateAccount(bounded(t), a.NewAccount("ada"))
	requireKind(t, connectors.KindAmbiguous, err)
	require.Empty(t, a.find(t, "ada"))
	a.proxy.Release()
	require.NoError(t, a.proxy.Wait(bounded(t), func(st State) bool { return st.Landed == 1 }))
	a.settle()
	require.Len(t, a.find(t, "ada"), 1)
}

func testStatuses(t *testing.T, s subject) {
	a := newArena(t, s)
	for status, kinds := range map[int]struct{ read, write connectors.Kind }{
		http.StatusBadRequest:          {connectors.KindInvalid, connectors.KindInvalid},
		http.StatusUnprocessableEntity: {connectors.KindInvalid, connectors.KindInvalid},
		http.StatusUnauthorized:        {connectors.KindUnauthorized, connectors.KindUnauthorized},
		http.StatusForbidden:           {connectors.KindUnauthorized, connectors.KindUnauthorized},
		http.StatusConflict:            {connectors.KindConflict, connectors.KindConflict},
		http.StatusInternalServerError: {connectors.KindUnavailable, connectors.KindUnavailable},
		http.StatusNotImplemented:      {connectors.KindUnsupported, connectors.KindUnsupported},
		http.StatusBadGateway:          {connectors.KindUnavailable, connectors.KindAmbiguous},
		http.StatusServiceUnavailable:  {connectors.KindUnavailable, connectors.KindUnavailable},
		http.StatusGatewayTimeout:      {connectors.KindUnavailable, connectors.KindAmbiguous},
	} {
		a.strike(t, Status(status, 0), func(op operation, err error) {
			want := kinds.read
			if op.writes {
				want = kinds.write
			}
			require.Equal(t, want, connectors.KindOf(err), "%s answered %d", op.name, status)
			var e *connectors.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, status, e.Status, op.name)
		})
	}
}

func testThrottled(t *testing.T, s subject) {
	a := newArena(t, s)
	a.strike(t, Status(http.StatusTooManyRequests, 7*time.Second), func(op operation, err error) {
		var e *connectors.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, connectors.KindThrottled, e.Kind, op.name)
		require.Equal(t, 7*time.Second, e.RetryAfter, op.name)
		if op.writes {
			require.Equal(t, 1, a.writesSeen(), "%s retries", op.name)
		} else {
			require.Len(t, a.proxy.Requests(), 1, "%s retries", op.name)
		}
	})
}

// testNoAnswer gives up once the request hangs in the proxy, so that what it proves does not depend on time.
func testNoAnswer(t *testing.T, s subject) {
	a := newArena(t, s)
	for _, op := range a.operations {
		a.proxy.SetRules(Rule{Writes: op.writes, Fault: Hang()})
		ctx, giveUp := context.WithCancel(bounded(t))
		done := make(chan error, 1)
		go func() { done <- op.call(ctx) }()
		require.NoError(t, a.proxy.Wait(bounded(t), func(st State) bool { return st.Held == 1 }), op.name)
		giveUp()
		err := <-done
		require.ErrorIs(t, err, context.Canceled, op.name)
		require.Equal(t, withoutAnswer(op), connectors.KindOf(err), op.name)
		a.requirePrivate(t, op, err)
		require.NoError(t, a.proxy.Wait(bounded(t), func(st State) bool { return st.Held == 0 }), op.name)
	}
}

func testDeadline(t *testing.T, s subject) {
	a := newArena(t, s)
	a.proxy.SetRules(Rule{Fault: Hang()})
	ctx, cancel := context.WithTimeout(bounded(t), 50*time.Millisecond)
	defer cancel()
	_, err := a.GetAccount(ctx, "1")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	requireKind(t, connectors.KindUnavailable, err)
}

func testDropped(t *testing.T, s subject) {
	a := newArena(t, s)
	a.strike(t, DropBefore(), func(op operation, err error) {
		require.Equal(t, withoutAnswer(op), connectors.KindOf(err), op.name)
		require.LessOrEqual(t, a.writesSeen(), 1, "%s retries", op.name)
	})
}

func withoutAnswer(op operation) connectors.Kind {
	if op.writes {
		return connectors.KindAmbiguous
	}
	return connectors.KindUnavailable
}

func testUnreachable(t *testing.T, s subject) {
	a := newArena(t, s)
	a.proxy.server.Close()
	for _, op := range a.operations {
		err := op.call(bounded(t))
		requireKind(t, connectors.KindUnavailable, err)
		a.requirePrivate(t, op, err)
	}
}

func testRubbish(t *testing.T, s subject) {
	a := newArena(t, s)
	for _, body := range []string{"", " ", "<html><body>Sign in</body></html>", "{}", "null", "[]", `"text"`, "0", `{"id":`, `{"id":"","Resources":[]}`} {
		a.strike(t, Rubbish(body), func(op operation, err error) {
			require.Equal(t, withoutAnswer(op), connectors.KindOf(err), "%s answered %q", op.name, body)
		})
	}
}

func testBare404(t *testing.T, s subject) {
	a := newArena(t, s)
	for _, body := range []string{"", "404 page not found", `{"message":"no route"}`} {
		a.strike(t, Answer(http.StatusNotFound, nil, body), func(op operation, err error) {
			require.Equal(t, connectors.KindUnavailable, connectors.KindOf(err), "%s answered 404 %q", op.name, body)
		})
	}
}

func testPrivacy(t *testing.T, s subject) {
	a := newArena(t, s)
	body := strings.Join(a.Secrets, " ") + "\x00\xff " + canary + strings.Repeat("ü", 4<<10)
	for _, status := range []int{http.StatusBadRequest, http.StatusConflict, http.StatusInternalServerError} {
		a.strike(t, Answer(status, nil, body), func(op operation, err error) {
			var e *connectors.Error
			require.ErrorAs(t, err, &e)
			require.Contains(t, e.Detail, canary, "%s: the target's words belong into the detail", op.name)
			require.True(t, strings.ToValidUTF8(e.Detail, "") == e.Detail && !strings.Contains(e.Detail, "\x00"), "%s: the detail cannot be stored", op.name)
		})
	}
}

func testRedirect(t *testing.T, s subject) {
	a := newArena(t, s)
	header := http.Header{"Location": {s.BaseURL + "/elsewhere"}}
	for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect} {
		a.strike(t, Answer(status, header, ""), func(op operation, err error) {
			require.Equal(t, connectors.KindUnavailable, connectors.KindOf(err), op.name)
			for _, r := range a.proxy.Requests() {
				require.NotContains(t, r.Path, "elsewhere")
			}
		})
	}
}
