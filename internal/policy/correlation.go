package policy

import (
	"slices"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/tenurehq/tenure/internal/identity"
)

// Correlation is a rule that finds the identity which a source's new person already has. Rules are tried in order; the
// first that finds anybody decides. More than one match is a case whatever the rule says.
type Correlation struct {
	Name string
	// Match are the attributes that must all be equal after Normalize.
	Match []string
	// Link says that a single match is linked at once; otherwise it becomes a case that a person resolves.
	Link bool
}

// Key is the person's value under the rule, to be compared for equality with other people's. It reports false when an
// attribute is empty: such a person matches nobody.
func (c Correlation) Key(a identity.Attributes) (string, bool) {
	parts := make([]string, len(c.Match))
	for i, name := range c.Match {
		parts[i] = Normalize(attributeText(&a, name))
		if parts[i] == "" {
			return "", false
		}
	}
	return strings.Join(parts, "\x00"), true
}

// Normalize is how correlation compares values: without surrounding space, case-folded, in NFC.
func Normalize(value string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFC.String(strings.TrimSpace(value))))
}

type correlationDoc struct {
	item

	Match []text `json:"match"`
	Then  text   `json:"then"`
}

const (
	thenLink = "link"
	thenCase = "case"
)

func (c *correlationDoc) settle() { c.Then.orElse(thenCase) }

func (b *builder) correlations() {
	checkNames(b, "correlation", b.doc.Correlation)
	for _, doc := range b.doc.Correlation {
		path := "correlation[" + doc.Name.v + "]"
		rule := Correlation{Name: doc.Name.v, Link: doc.Then.v == thenLink}
		if len(doc.Match) == 0 {
			b.addf(doc.At, path+".match", "must list at least one attribute")
		}
		b.oneOf(doc.Then, path+".then", thenLink, thenCase)
		for _, name := range doc.Match {
			switch {
			case !isAttribute(name.v):
				b.addf(name.at, path+".match", "no attribute is called %q; the attributes are %s", name.v, attributeNames)
			case slices.Contains(rule.Match, name.v):
				b.addf(name.at, path+".match", "%q is listed twice", name.v)
			}
			rule.Match = append(rule.Match, name.v)
		}
		b.policy.correlations = append(b.policy.correlations, rule)
	}
}
