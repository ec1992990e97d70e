package connectortest

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
)

func (s subject) restorer() connectors.AccountRestorer {
	return s.Connector.(connectors.AccountRestorer)
}

// findDeleted looks deleted accounts up as find looks for living ones.
func (s subject) findDeleted(t *testing.T, name string) []connectors.Account {
	t.Helper()
	found, err := s.restorer().FindDeleted(bounded(t), s.Correlation, fmt.Sprint(s.NewAccount(name).Attributes[s.Correlation]))
	require.NoError(t, err)
	require.NotNil(t, found)
	return found
}

// deleted makes an account from the name and deletes it.
func (s subject) deleted(t *testing.T, name string) connectors.Account {
	t.Helper()
	account := s.create(t, name)
	require.NoError(t, s.writer().DeleteAccount(bounded(t), account.NativeID))
	s.settle()
	return account
}

var restoreTests = map[string]func(*testing.T, subject){
	"in one look-up what takes two": testFindAny,
	"a deleted account comes back as it was": func(t *testing.T, s subject) {
		require.Empty(t, s.findDeleted(t, "ada"))
		ada, bob := s.deleted(t, "ada"), s.deleted(t, "bob")
		found := s.findDeleted(t, "ada")
		require.Len(t, found, 1)
		require.Equal(t, ada.NativeID, found[0].NativeID)
		requireHolds(t, map[string]any{s.Correlation: ada.Attributes[s.Correlation]}, found[0])
		restored, err := s.restorer().RestoreAccount(bounded(t), ada.NativeID)
		require.NoError(t, err)
		require.Equal(t, ada, restored)
		s.settle()
		read, err := s.GetAccount(bounded(t), ada.NativeID)
		require.NoError(t, err)
		require.Equal(t, ada, read)
		require.Equal(t, []connectors.Account{ada}, s.find(t, "ada"))
		require.Empty(t, s.findDeleted(t, "ada"))
		require.Len(t, s.findDeleted(t, "bob"), 1, "somebody else came back")
		_, err = s.GetAccount(bounded(t), bob.NativeID)
		requireKind(t, connectors.KindNotFound, err)
	},
	"a look-up among the deleted is exact": func(t *testing.T, s subject) {
		s.deleted(t, "anna")
		for what, name := range awkward {
			account := s.deleted(t, name)
			found := s.findDeleted(t, name)
			require.Len(t, found, 1, what)
			require.Equal(t, account.NativeID, found[0].NativeID, what)
		}
		require.Empty(t, s.findDeleted(t, "ann"))
	},
	"its place is taken": func(t *testing.T, s subject) {
		if s.Unique == "" {
			t.Log("not tried: the target has no unique attribute")
			return
		}
		old := s.deleted(t, "ada")
		s.create(t, "ada")
		_, err := s.restorer().RestoreAccount(bounded(t), old.NativeID)
		requireKind(t, connectors.KindConflict, err)
		require.Len(t, s.find(t, "ada"), 1)
	},
	"its time is over": func(t *testing.T, s subject) {
		ada := s.deleted(t, "ada")
		s.Expire()
		require.Empty(t, s.findDeleted(t, "ada"))
		_, err := s.restorer().RestoreAccount(bounded(t), ada.NativeID)
		requireKind(t, connectors.KindNotFound, err)
	},
	"one that is not deleted": func(t *testing.T, s subject) {
		ada := s.create(t, "ada")
		for id, kind := range map[string]connectors.Kind{ada.NativeID: connectors.KindNotFound, nobody: connectors.KindNotFound, "": connectors.KindInvalid} {
			_, err := s.restorer().RestoreAccount(bounded(t), id)
			requireKind(t, kind, err)
		}
		require.Len(t, s.find(t, "ada"), 1)
	},
}

var faultyRestoreTests = map[string]func(*testing.T, subject){
	"a restore whose answer is lost": func(t *testing.T, s subject) {
		ada := s.deleted(t, "ada")
		proxy := Start(t, s.BaseURL)
		behind := subject{s.Target, s.Connect(t, proxy.URL)}
		proxy.SetRules(Rule{Writes: true, Times: 1, Fault: DropAfter()})
		_, err := behind.restorer().RestoreAccount(bounded(t), ada.NativeID)
		requireKind(t, connectors.KindAmbiguous, err)
		s.settle()
		require.Equal(t, []connectors.Account{ada}, behind.find(t, "ada"))
		require.Empty(t, behind.findDeleted(t, "ada"))
	},
	"a failed read is no proof that nothing was deleted": func(t *testing.T, s subject) {
		s.deleted(t, "ada")
		proxy := Start(t, s.BaseURL)
		behind := subject{s.Target, s.Connect(t, proxy.URL)}
		for _, body := range []string{"", "{}", "[]"} {
			proxy.SetRules(Rule{Method: http.MethodGet, Fault: Rubbish(body)})
			_, err := behind.restorer().FindDeleted(bounded(t), s.Correlation, fmt.Sprint(s.NewAccount("ada").Attributes[s.Correlation]))
			requireKind(t, connectors.KindUnavailable, err)
		}
	},
}

func restoreOperations(t *testing.T, s subject) []operation {
	t.Helper()
	account := s.deleted(t, canary+" IV")
	value := fmt.Sprint(account.Attributes[s.Correlation])
	return []operation{
		{"FindDeleted", false, func(ctx context.Context) error {
			_, err := s.restorer().FindDeleted(ctx, s.Correlation, value)
			return err
		}},
		{"RestoreAccount", true, func(ctx context.Context) error {
			_, err := s.restorer().RestoreAccount(ctx, account.NativeID)
			return err
		}},
	}
}
