// Package connectors defines what Tenure asks of a target system, as small capability interfaces. A connector is one
// package that implements Connector and whichever capabilities its system has; connectortest holds the suite that every
// connector passes. A connector translates and reports: it never retries, and knows nothing of policy, plans, the database or
// Temporal. Before each request it asks its target's Pacer by Take, which is all it ever waits for.
//
// The vocabulary is the field's: an account is a person's entry in a target; an entitlement is something an account can
// hold there (a group, a role, a licence); a grant is one account holding one entitlement.
package connectors

import (
	"context"
	"time"
)

// Account is a person's entry in a target, as read from it or as wished for.
type Account struct {
	// NativeID is the target's own immutable id; empty in a wish for an account that does not exist yet.
	NativeID string
	// Enabled is whether the account can be used to sign in.
	Enabled bool
	// Attributes are keyed as the target's mapping names them (for SCIM: "userName", "name.givenName",
	// "emails[type eq \"work\"].value", "urn:…:User:department"). Values are string, bool, float64, []any or map[string]any.
	Attributes map[string]any
}

// Entitlement is something that an account can hold in a target.
type Entitlement struct {
	NativeID string
	// Kind is the connector's word for it: "group", "licence", "role".
	Kind string
	// Name is what policy calls it: the display name of a group.
	Name string
}

// Page asks for a part of a listing. Cursor is empty for the first page, else the Next of the page before, verbatim.
type Page struct {
	Cursor string
	Limit  int // a wish; 0 leaves it to the connector
}

// Accounts is one page of a listing of accounts. Next is empty on the last page.
type Accounts struct {
	Items []Account
	Next  string
}

// Evidence is what a target answered when asked whether an action took effect; it is stored with the operation. It
// holds facts that can be shown to an auditor (attribute names, native ids, counts, times), never a secret.
type Evidence map[string]any

// Connector is what every target can do: be probed, and have its accounts read. ApplyAccount calls it first, in every
// attempt, since what should be done follows from what is.
type Connector interface {
	// Probe makes the cheapest call that proves the target reachable and the credentials valid. The schedule that
	// watches a target which is down calls it.
	Probe(ctx context.Context) error
	// GetAccount reads one account by its native id; KindNotFound when it is not there.
	GetAccount(ctx context.Context, nativeID string) (Account, error)
	// FindAccounts reads the accounts whose attribute equals value: the look-up before any create, and after an
	// ambiguous time-out. None is an empty slice and no error.
	FindAccounts(ctx context.Context, attribute, value string) ([]Account, error)
	// ListAccounts reads all accounts, page by page.
	ListAccounts(ctx context.Context, page Page) (Accounts, error)
}

// AccountWriter is a target whose accounts Tenure creates and changes.
type AccountWriter interface {
	// CreateAccount creates the account and answers it as the target stored it. KindConflict when the target says that
	// it exists; KindAmbiguous when the request may or may not have taken effect. An account with a NativeID beside an
	// error exists: something after its making went wrong, and only the id is to be relied on.
	CreateAccount(ctx context.Context, account Account) (Account, error)
	// UpdateAccount makes the named attributes equal to changes; a nil value removes the attribute. Attributes that are
	// not named stay.
	UpdateAccount(ctx context.Context, nativeID string, changes map[string]any) error
	// SetEnabled enables or disables the account. Repeating it is not an error.
	SetEnabled(ctx context.Context, nativeID string, enabled bool) error
	// DeleteAccount deletes the account; one that is already gone is not an error.
	DeleteAccount(ctx context.Context, nativeID string) error
}

// SessionEnder is a target that can end a person's sessions. A leave calls it right after the account is disabled.
type SessionEnder interface {
	// EndSessions ends every session and revokes every refresh token of the account.
	EndSessions(ctx context.Context, nativeID string) error
	// SessionsEnded reads back whether sessions begun before the given time are refused.
	SessionsEnded(ctx context.Context, nativeID string, before time.Time) (bool, Evidence, error)
}

// Deactivator is a target that tells a person who has left from one who is away: a leave calls Deactivate where
// SetEnabled(false) serves a leave of absence or a person yet to come. SetEnabled(true) brings either back.
type Deactivator interface {
	// Deactivate puts the account into the state of somebody who has left. Repeating it is not an error.
	Deactivate(ctx context.Context, nativeID string) error
	// Deactivated reads back whether the account is in that state.
	Deactivated(ctx context.Context, nativeID string) (bool, Evidence, error)
}

// PasswordResetter is a target that keeps passwords.
type PasswordResetter interface {
	// ResetPassword replaces the password by a random one that nobody is told.
	ResetPassword(ctx context.Context, nativeID string) error
	// PasswordReset reads back whether the password was changed at or after the given time, by the target's clock.
	PasswordReset(ctx context.Context, nativeID string, since time.Time) (bool, Evidence, error)
}

// FactorResetter is a target that keeps a person's authentication factors beside the password: telephones, authenticator
// apps, security keys.
type FactorResetter interface {
	// ResetFactors removes every factor. An account without any is not an error.
	ResetFactors(ctx context.Context, nativeID string) error
	// FactorsReset reads back whether none is left; the evidence counts those that are, by kind.
	FactorsReset(ctx context.Context, nativeID string) (bool, Evidence, error)
}

// AccountRestorer is a target that keeps deleted accounts for a while and can bring one back with its native id.
type AccountRestorer interface {
	// FindDeleted reads the deleted accounts whose attribute equals value. None is an empty slice and no error.
	FindDeleted(ctx context.Context, attribute, value string) ([]Account, error)
	// RestoreAccount brings a deleted account back, as it was, and answers it. KindNotFound when its time is over.
	RestoreAccount(ctx context.Context, nativeID string) (Account, error)
}

// Revocation is a part of what a leave takes from an account.
type Revocation string

// The parts of a revocation. A part for which a target has no capability is left out, and recorded as unsupported.
const (
	RevokeAccess   Revocation = "access" // Deactivate, else SetEnabled(false)
	RevokeSessions Revocation = "sessions"
	RevokePassword Revocation = "password"
	RevokeFactors  Revocation = "factors"
	RevokeGrants   Revocation = "grants"
)

// RevocationOrder is the order for a target that does not name its own: what stops a person soonest comes first.
func RevocationOrder() []Revocation {
	return []Revocation{RevokeAccess, RevokeSessions, RevokePassword, RevokeFactors, RevokeGrants}
}

// RevocationOrderer is a target in which some part of a revocation is impossible after another.
type RevocationOrderer interface {
	// RevocationOrder names every part that the connector has, in the order in which they must be done.
	RevocationOrder() []Revocation
}

// EntitlementGranter is a target whose entitlements Tenure grants and revokes.
type EntitlementGranter interface {
	// FindEntitlement resolves an entitlement by the name that policy uses; KindNotFound when the target has none.
	FindEntitlement(ctx context.Context, kind, name string) (Entitlement, error)
	// GrantsOf reads the entitlements that the account holds, all pages.
	GrantsOf(ctx context.Context, nativeID string) ([]Entitlement, error)
	// Grant gives the account the entitlement; one it holds already is not an error.
	Grant(ctx context.Context, nativeID string, entitlement Entitlement) error
	// Revoke takes the entitlement from the account, and never anything else; one it does not hold is not an error.
	Revoke(ctx context.Context, nativeID string, entitlement Entitlement) error
}

// Sight is an account with what it holds, as the target showed both.
type Sight struct {
	Account Account
	Grants  []Entitlement
}

// GrantReader is a target that shows an account and what it holds in fewer requests than one each.
type GrantReader interface {
	// GetAccountWithGrants is GetAccount and GrantsOf.
	GetAccountWithGrants(ctx context.Context, nativeID string) (Sight, error)
}

// DeletedFinder is an AccountRestorer that looks among the accounts and the deleted ones in fewer requests than one each.
type DeletedFinder interface {
	// FindAnyAccounts is FindAccounts and FindDeleted.
	FindAnyAccounts(ctx context.Context, attribute, value string) (accounts, deleted []Account, err error)
}

// BulkGranter is a target that takes several grants to one account in fewer requests than one each.
type BulkGranter interface {
	// GrantAll gives the account all the entitlements; those it holds already are not an error. What can be granted is, and
	// the error is that of the others. The Sight is what the target showed after the last grant in the same request; it
	// may still lag behind. It is nil when the target showed nothing: then read.
	GrantAll(ctx context.Context, nativeID string, entitlements []Entitlement) (*Sight, error)
}

// GrantingCreator is a target that can make an account which holds entitlements from the start, and answers it in full as it
// has stored it: that counts as the reading of the account. What it holds is to be read.
type GrantingCreator interface {
	// CreateAccountWith is CreateAccount with entitlements. left are those that the account must still be granted. As
	// there, an account with a NativeID beside an error exists; what it holds is not known then.
	CreateAccountWith(ctx context.Context, account Account, entitlements []Entitlement) (created Account, left []Entitlement, err error)
}
