package scim

import "strings"

// Fold is the form in which texts are compared that are not caseExact.
func Fold(s string) string { return strings.ToLower(s) }

// equalName compares names of attributes and URNs: without regard to case (RFC 7643, section 2.1).
func equalName(a, b string) bool { return strings.EqualFold(a, b) }
