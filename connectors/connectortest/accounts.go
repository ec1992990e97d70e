package connectortest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
)

// awkward are names that break careless quoting, escaping and comparing.
var awkward = map[string]string{
	"quotes":           `a "quoted" name`,
	"a closed literal": `x" or userName pr or title eq "`,
	"backslashes":      `back\slash \" \\ \u0041 \`,
	"brackets":         `emails[type eq "work"].value`,
	"url":              `a&b=c?d#e/f%2F+ g;h`,
	"apostrophe":       `O'Hara-D’Arcy`,
	"latin":            `Jörg Ævar Łukasz Þór`,
	"other scripts":    `山田太郎 Иван مريم`,
	"beyond the BMP":   `😀 𝒜da`,
	"combining":        "Zoe\u0308",
	"markup":           `<b>&amp;</b>`,
	"controls":         "tab\there",
}

var accountTests = map[string]func(*testing.T, subject){
	"create, read, find":                 testCreate,
	"a second create is a conflict":      testDuplicate,
	"created disabled stays disabled":    testCreateDisabled,
	"awkward values":                     testAwkward,
	"a look-up is exact":                 testExactLookUp,
	"update leaves the rest":             testUpdate,
	"update sets and removes":            testOptional,
	"update of one that is gone":         testUpdateMissing,
	"enable and disable repeat":          testEnable,
	"delete repeats":                     testDelete,
	"a listing of 250 accounts is whole": testListing,
}

func testCreate(t *testing.T, s subject) {
	wish := s.NewAccount("ada")
	wish.Enabled = true
	created, err := s.writer().CreateAccount(bounded(t), wish)
	require.NoError(t, err)
	require.Equal(t, !s.EnablesLate, created.Enabled)
	requireHolds(t, wish.Attributes, created)
	s.settle()
	read, err := s.GetAccount(bounded(t), created.NativeID)
	require.NoError(t, err)
	created.Enabled = true
	require.Equal(t, created, read, "what a create answers is what is stored")
	require.Equal(t, []connectors.Account{read}, s.find(t, "ada"))
}

func testDuplicate(t *testing.T, s subject) {
	if s.Unique == "" {
		t.Log("not tried: the target has no unique attribute")
		return
	}
	s.create(t, "ada")
	_, err := s.writer().CreateAccount(bounded(t), s.NewAccount("ada"))
	requireKind(t, connectors.KindConflict, err)
	require.Len(t, s.find(t, "ada"), 1)
	other := s.create(t, "bob")
	taken := s.NewAccount("ada").Attributes[s.Unique]
	requireKind(t, connectors.KindConflict, s.writer().UpdateAccount(bounded(t), other.NativeID, map[string]any{s.Unique: taken}))
}

func testCreateDisabled(t *testing.T, s subject) {
	wish := s.NewAccount("ada")
	wish.Enabled = false
	created, err := s.writer().CreateAccount(bounded(t), wish)
	require.NoError(t, err)
	s.settle()
	read, err := s.GetAccount(bounded(t), created.NativeID)
	require.NoError(t, err)
	require.False(t, read.Enabled)
	require.NoError(t, s.writer().UpdateAccount(bounded(t), created.NativeID, map[string]any{s.Text: "changed"}))
	read, err = s.GetAccount(bounded(t), created.NativeID)
	require.NoError(t, err)
	require.False(t, read.Enabled, "an update enables nobody")
}

func testAwkward(t *testing.T, s subject) {
	for what, name := range awkward {
		created := s.create(t, name)
		read, err := s.GetAccount(bounded(t), created.NativeID)
		require.NoError(t, err, what)
		requireHolds(t, s.NewAccount(name).Attributes, read)
		found := s.find(t, name)
		require.Len(t, found, 1, what)
		require.Equal(t, created.NativeID, found[0].NativeID, what)
		changed := name + " changed"
		require.NoError(t, s.writer().UpdateAccount(bounded(t), created.NativeID, map[string]any{s.Text: changed}), what)
		read, err = s.GetAccount(bounded(t), created.NativeID)
		require.NoError(t, err, what)
		require.Equal(t, changed, read.Attributes[s.Text], what)
	}
	page, err := s.ListAccounts(bounded(t), connectors.Page{})
	require.NoError(t, err)
	require.Len(t, page.Items, len(awkward))
}

func testExactLookUp(t *testing.T, s subject) {
	s.create(t, "ann")
	s.create(t, "anna")
	s.create(t, "joann")
	for _, name := range []string{"ann", "anna", "joann"} {
		found := s.find(t, name)
		require.Len(t, found, 1)
		requireHolds(t, s.NewAccount(name).Attributes, found[0])
	}
	require.Empty(t, s.find(t, "an"))
}

func testUpdate(t *testing.T, s subject) {
	ada, bob := s.create(t, "ada"), s.create(t, "bob")
	for range 2 {
		require.NoError(t, s.writer().UpdateAccount(bounded(t), ada.NativeID, map[string]any{s.Text: "changed"}))
		read, err := s.GetAccount(bounded(t), ada.NativeID)
		require.NoError(t, err)
		want := s.NewAccount("ada").Attributes
		want[s.Text] = "changed"
		requireHolds(t, want, read)
		require.Equal(t, ada.Enabled, read.Enabled)
	}
	require.NoError(t, s.writer().UpdateAccount(bounded(t), ada.NativeID, nil))
	untouched, err := s.GetAccount(bounded(t), bob.NativeID)
	require.NoError(t, err)
	require.Equal(t, bob, untouched)
}

func testOptional(t *testing.T, s subject) {
	require.NotEmpty(t, s.Optional, "the target names no optional attribute")
	ada := s.create(t, "ada")
	for name, value := range s.Optional {
		for _, wish := range []any{value, value, nil, nil, value} {
			require.NoError(t, s.writer().UpdateAccount(bounded(t), ada.NativeID, map[string]any{name: wish}), name)
			read, err := s.GetAccount(bounded(t), ada.NativeID)
			require.NoError(t, err)
			require.Equal(t, wish, read.Attributes[name], name)
			requireHolds(t, s.NewAccount("ada").Attributes, read)
		}
	}
	none := make(map[string]any, len(s.Optional))
	for name := range s.Optional {
		none[name] = nil
	}
	require.NoError(t, s.writer().UpdateAccount(bounded(t), ada.NativeID, none))
	require.NoError(t, s.writer().UpdateAccount(bounded(t), ada.NativeID, s.Optional), "all at once")
	read, err := s.GetAccount(bounded(t), ada.NativeID)
	require.NoError(t, err)
	requireHolds(t, s.Optional, read)
}

func testUpdateMissing(t *testing.T, s subject) {
	ada := s.create(t, "ada")
	require.NoError(t, s.writer().DeleteAccount(bounded(t), ada.NativeID))
	requireKind(t, connectors.KindNotFound, s.writer().UpdateAccount(bounded(t), ada.NativeID, map[string]any{s.Text: "x"}))
	requireKind(t, connectors.KindNotFound, s.writer().SetEnabled(bounded(t), ada.NativeID, false))
}

func testEnable(t *testing.T, s subject) {
	ada := s.create(t, "ada")
	for _, enabled := range []bool{false, false, true, true, false} {
		require.NoError(t, s.writer().SetEnabled(bounded(t), ada.NativeID, enabled))
		read, err := s.GetAccount(bounded(t), ada.NativeID)
		require.NoError(t, err)
		require.Equal(t, enabled, read.Enabled)
		require.Equal(t, ada.Attributes, read.Attributes)
	}
}

func testDelete(t *testing.T, s subject) {
	ada, bob := s.create(t, "ada"), s.create(t, "bob")
	for range 2 {
		require.NoError(t, s.writer().DeleteAccount(bounded(t), ada.NativeID))
		_, err := s.GetAccount(bounded(t), ada.NativeID)
		requireKind(t, connectors.KindNotFound, err)
	}
	require.Empty(t, s.find(t, "ada"))
	requireKind(t, connectors.KindInvalid, s.writer().DeleteAccount(bounded(t), ""))
	_, err := s.GetAccount(bounded(t), bob.NativeID)
	require.NoError(t, err)
	again := s.create(t, "ada")
	require.NotEqual(t, ada.NativeID, again.NativeID)
}

func testListing(t *testing.T, s subject) {
	const n = 250
	want := make(map[string]bool, n)
	for i := range n {
		want[s.create(t, fmt.Sprintf("person %03d", i)).NativeID] = true
	}
	// 83 leaves one account for the last page.
	for _, wish := range []int{0, 83, 10_000} {
		got := make(map[string]bool, n)
		pages := 0
		for page := (connectors.Page{Limit: wish}); ; pages++ {
			answer, err := s.ListAccounts(bounded(t), page)
			require.NoError(t, err)
			for _, account := range answer.Items {
				require.False(t, got[account.NativeID], "an account comes twice")
				require.Contains(t, fmt.Sprint(account.Attributes[s.Text]), "person")
				got[account.NativeID] = true
			}
			if page.Cursor = answer.Next; answer.Next == "" {
				break
			}
		}
		require.Equal(t, want, got)
		if wish == 83 {
			require.GreaterOrEqual(t, pages, n/wish, "the wish for small pages counts for nothing")
		}
	}
}
