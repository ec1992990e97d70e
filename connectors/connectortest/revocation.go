package connectortest

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
)

// nobody is a native id that no target has given.
const nobody = "6f0b5b0e-0000-4000-8000-000000000000"

func (s subject) sessions() connectors.SessionEnder   { return s.Connector.(connectors.SessionEnder) }
func (s subject) deactivator() connectors.Deactivator { return s.Connector.(connectors.Deactivator) }

func (s subject) passwords() connectors.PasswordResetter {
	return s.Connector.(connectors.PasswordResetter)
}
func (s subject) factors() connectors.FactorResetter { return s.Connector.(connectors.FactorResetter) }

// readBack is a question about an account, asked of the target: SessionsEnded and its like.
type readBack func(ctx context.Context, nativeID string) (bool, connectors.Evidence, error)

func (s subject) sessionsEnded(before time.Time) readBack {
	return func(ctx context.Context, id string) (bool, connectors.Evidence, error) {
		return s.sessions().SessionsEnded(ctx, id, before)
	}
}

func (s subject) passwordReset(since time.Time) readBack {
	return func(ctx context.Context, id string) (bool, connectors.Evidence, error) {
		return s.passwords().PasswordReset(ctx, id, since)
	}
}

// requireAnswer checks the answer and that its evidence can be stored and shown.
func (s subject) requireAnswer(t *testing.T, want bool, ask readBack, account connectors.Account, why string) {
	t.Helper()
	got, evidence, err := ask(bounded(t), account.NativeID)
	require.NoError(t, err)
	require.Equal(t, want, got, "%s: %v", why, evidence)
	require.NotEmpty(t, evidence, "an answer without evidence")
	stored, err := json.Marshal(evidence)
	require.NoError(t, err)
	for _, private := range append([]string{canary}, s.Secrets...) {
		require.NotContains(t, string(stored), private, "evidence")
	}
	if name, ok := account.Attributes[s.Correlation].(string); ok && len(name) > 3 {
		require.NotContains(t, string(stored), name, "evidence")
	}
}

// requireTarget checks that an action and its read-back tell a missing account and a missing id.
func requireTarget(t *testing.T, act func(ctx context.Context, nativeID string) error, ask readBack) {
	t.Helper()
	for id, kind := range map[string]connectors.Kind{nobody: connectors.KindNotFound, "": connectors.KindInvalid} {
		requireKind(t, kind, act(bounded(t), id))
		ok, _, err := ask(bounded(t), id)
		requireKind(t, kind, err)
		require.False(t, ok, "nothing is proven of an account that is not there")
	}
}

var deactivationTests = map[string]func(*testing.T, subject){
	"deactivate and bring back": func(t *testing.T, s subject) {
		ada, bob := s.create(t, "ada"), s.create(t, "bob")
		s.requireAnswer(t, false, s.deactivator().Deactivated, ada, "an account that is new")
		for range 2 {
			require.NoError(t, s.deactivator().Deactivate(bounded(t), ada.NativeID))
			s.settle()
			s.requireAnswer(t, true, s.deactivator().Deactivated, ada, "deactivated")
			s.requireEnabled(t, ada, false)
		}
		require.NoError(t, s.writer().SetEnabled(bounded(t), ada.NativeID, false), "it is disabled already")
		s.requireAnswer(t, true, s.deactivator().Deactivated, ada, "still deactivated")
		s.requireAnswer(t, false, s.deactivator().Deactivated, bob, "somebody else")
		s.requireEnabled(t, bob, true)
		require.NoError(t, s.writer().SetEnabled(bounded(t), ada.NativeID, true))
		s.settle()
		s.requireEnabled(t, ada, true)
		s.requireAnswer(t, false, s.deactivator().Deactivated, ada, "brought back")
	},
	"one that is disabled": func(t *testing.T, s subject) {
		ada := s.create(t, "ada")
		require.NoError(t, s.writer().SetEnabled(bounded(t), ada.NativeID, false))
		require.NoError(t, s.deactivator().Deactivate(bounded(t), ada.NativeID))
		s.settle()
		s.requireAnswer(t, true, s.deactivator().Deactivated, ada, "deactivated")
	},
	"one that was created disabled": func(t *testing.T, s subject) {
		wish := s.NewAccount("ada")
		wish.Enabled = false
		ada, err := s.writer().CreateAccount(bounded(t), wish)
		require.NoError(t, err)
		s.settle()
		require.NoError(t, s.deactivator().Deactivate(bounded(t), ada.NativeID))
		s.settle()
		s.requireAnswer(t, true, s.deactivator().Deactivated, ada, "deactivated")
	},
	"a deactivated account is still found": func(t *testing.T, s subject) {
		ada := s.create(t, "ada")
		require.NoError(t, s.deactivator().Deactivate(bounded(t), ada.NativeID))
		s.settle()
		found := s.find(t, "ada")
		require.Len(t, found, 1, "a rehire would get a second account")
		require.Equal(t, ada.NativeID, found[0].NativeID)
		page, err := s.ListAccounts(bounded(t), connectors.Page{})
		require.NoError(t, err)
		require.Len(t, page.Items, 1, "a reconciliation would take it for missing")
		require.False(t, page.Items[0].Enabled)
	},
	"one that is not there": func(t *testing.T, s subject) {
		requireTarget(t, s.deactivator().Deactivate, s.deactivator().Deactivated)
	},
}

func (s subject) requireEnabled(t *testing.T, account connectors.Account, enabled bool) {
	t.Helper()
	read, err := s.GetAccount(bounded(t), account.NativeID)
	require.NoError(t, err)
	require.Equal(t, enabled, read.Enabled)
	require.Equal(t, account.Attributes, read.Attributes)
}

// waysOut are the ways in which an account stops to serve, without anything else that a leave does.
func (s subject) waysOut() map[string]func(ctx context.Context, nativeID string) error {
	ways := map[string]func(context.Context, string) error{
		"disabled": func(ctx context.Context, id string) error { return s.writer().SetEnabled(ctx, id, false) },
	}
	if s.has(Deactivator) {
		ways["deactivated"] = s.deactivator().Deactivate
	}
	return ways
}

var sessionTests = map[string]func(*testing.T, subject){
	"sessions end": func(t *testing.T, s subject) {
		ada, bob := s.create(t, "ada"), s.create(t, "bob")
		adas, bobs := s.NewSession(t, ada.NativeID), s.NewSession(t, bob.NativeID)
		s.settle()
		asked := s.Now()
		require.True(t, adas(), "the session never began")
		s.requireAnswer(t, false, s.sessionsEnded(asked), ada, "nobody ended them")
		for range 2 {
			require.NoError(t, s.sessions().EndSessions(bounded(t), ada.NativeID))
		}
		s.settle()
		s.requireAnswer(t, true, s.sessionsEnded(asked), ada, "ended")
		require.False(t, adas(), "the session lives on")
		s.settle()
		s.requireAnswer(t, false, s.sessionsEnded(s.Now()), ada, "those begun since were not ended")
		require.True(t, bobs(), "somebody else's session ended")
		s.requireAnswer(t, false, s.sessionsEnded(asked), bob, "somebody else's")
	},
	"not before it is so": func(t *testing.T, s subject) {
		ada := s.create(t, "ada")
		adas := s.NewSession(t, ada.NativeID)
		s.settle()
		asked := s.Now()
		require.NoError(t, s.sessions().EndSessions(bounded(t), ada.NativeID))
		if adas() {
			s.requireAnswer(t, false, s.sessionsEnded(asked), ada, "the target takes its time, and a session lives on")
		}
		s.settle()
		s.requireAnswer(t, true, s.sessionsEnded(asked), ada, "ended")
	},
	"an account that was disabled and no more": func(t *testing.T, s subject) {
		for name, disable := range s.waysOut() {
			ada := s.create(t, name)
			adas := s.NewSession(t, ada.NativeID)
			s.settle()
			asked := s.Now()
			require.NoError(t, disable(bounded(t), ada.NativeID))
			s.settle()
			if adas() {
				s.requireAnswer(t, false, s.sessionsEnded(asked), ada, name+", and a session or token lives on")
			}
		}
	},
	"an account without a session": func(t *testing.T, s subject) {
		ada := s.create(t, "ada")
		asked := s.Now()
		require.NoError(t, s.sessions().EndSessions(bounded(t), ada.NativeID))
		s.settle()
		s.requireAnswer(t, true, s.sessionsEnded(asked), ada, "ended")
	},
	"a disabled account": func(t *testing.T, s subject) {
		ada := s.create(t, "ada")
		adas := s.NewSession(t, ada.NativeID)
		require.NoError(t, s.writer().SetEnabled(bounded(t), ada.NativeID, false))
		asked := s.Now()
		require.NoError(t, s.sessions().EndSessions(bounded(t), ada.NativeID))
		s.settle()
		s.requireAnswer(t, true, s.sessionsEnded(asked), ada, "ended")
		require.False(t, adas())
	},
	"one that is not there": func(t *testing.T, s subject) { requireTarget(t, s.sessions().EndSessions, s.sessionsEnded(s.Now())) },
}

var passwordTests = map[string]func(*testing.T, subject){
	"the password is replaced": func(t *testing.T, s subject) {
		ada, bob := s.create(t, "ada"), s.create(t, "bob")
		adas, bobs := s.NewPassword(t, ada.NativeID), s.NewPassword(t, bob.NativeID)
		s.settle()
		asked := s.Now()
		require.True(t, adas(), "the password was never set")
		s.requireAnswer(t, false, s.passwordReset(asked), ada, "nobody reset it")
		for range 2 {
			require.NoError(t, s.passwords().ResetPassword(bounded(t), ada.NativeID))
			s.settle()
			s.requireAnswer(t, true, s.passwordReset(asked), ada, "reset")
			require.False(t, adas(), "the old password still serves")
		}
		s.requireAnswer(t, false, s.passwordReset(s.Now()), ada, "not since then")
		require.True(t, bobs(), "somebody else's password changed")
		s.requireAnswer(t, false, s.passwordReset(asked), bob, "somebody else's")
	},
	"one that is not there": func(t *testing.T, s subject) { requireTarget(t, s.passwords().ResetPassword, s.passwordReset(s.Now())) },
}

var factorTests = map[string]func(*testing.T, subject){
	"every factor is removed": func(t *testing.T, s subject) {
		ada, bob := s.create(t, "ada"), s.create(t, "bob")
		adas, bobs := s.NewFactors(t, ada.NativeID), s.NewFactors(t, bob.NativeID)
		s.settle()
		require.Positive(t, adas(), "no factor was enrolled")
		n := bobs()
		s.requireAnswer(t, false, s.factors().FactorsReset, ada, "nobody reset them")
		for range 2 {
			require.NoError(t, s.factors().ResetFactors(bounded(t), ada.NativeID))
			s.settle()
			s.requireAnswer(t, true, s.factors().FactorsReset, ada, "reset")
			require.Zero(t, adas())
		}
		require.Equal(t, n, bobs(), "somebody else's factors")
		s.requireAnswer(t, false, s.factors().FactorsReset, bob, "somebody else's")
	},
	"an account without factors": func(t *testing.T, s subject) {
		ada := s.create(t, "ada")
		require.NoError(t, s.factors().ResetFactors(bounded(t), ada.NativeID))
		s.settle()
		s.requireAnswer(t, true, s.factors().FactorsReset, ada, "there were none")
	},
	"one that is not there": func(t *testing.T, s subject) { requireTarget(t, s.factors().ResetFactors, s.factors().FactorsReset) },
}

// revocationOperations are the calls of the capabilities that take something from the account or give it back.
func revocationOperations(t *testing.T, s subject, id string) []operation {
	t.Helper()
	var ops []operation
	write := func(name string, act func(context.Context, string) error) {
		ops = append(ops, operation{name, true, func(ctx context.Context) error { return act(ctx, id) }})
	}
	read := func(name string, ask readBack) {
		ops = append(ops, operation{name, false, func(ctx context.Context) error { _, _, err := ask(ctx, id); return err }})
	}
	if s.has(SessionEnder) {
		write("EndSessions", s.sessions().EndSessions)
		read("SessionsEnded", s.sessionsEnded(s.Now()))
	}
	if s.has(PasswordResetter) {
		write("ResetPassword", s.passwords().ResetPassword)
		read("PasswordReset", s.passwordReset(s.Now()))
	}
	if s.has(FactorResetter) {
		s.NewFactors(t, id)
		s.settle()
		write("ResetFactors", s.factors().ResetFactors)
		read("FactorsReset", s.factors().FactorsReset)
	}
	if s.has(Deactivator) {
		write("Deactivate", s.deactivator().Deactivate)
		read("Deactivated", s.deactivator().Deactivated)
	}
	if s.has(AccountRestorer) {
		ops = append(ops, restoreOperations(t, s)...)
	}
	return ops
}
