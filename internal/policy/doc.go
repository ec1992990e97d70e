// Package policy decides who should have what: it reads the policy documents of an organization, checks them as a
// whole, and computes from a person's attributes the accounts and grants they should have in each target, the names to
// allocate for them, and the reasons for all of it.
//
// It is pure: bytes and values in, values out. It knows nothing of the database, of Temporal, of connectors or of what
// an account looks like at present; comparing what should be with what is belongs to its callers. Every value it
// returns is shared and must not be changed; everything is safe for concurrent use.
//
// docs/policy.md is the reference of the documents.
package policy
