package policy

import (
	"strings"

	"github.com/tenurehq/tenure/internal/identity"
)

// SourceRule is one configured source of facts about people.
type SourceRule struct {
	// Name is what precedence calls the source.
	Name string
	// Match are the CloudEvents `source` values that belong to it; one that ends in * stands for every value that
	// begins with the rest.
	Match []string
}

type sourceDoc struct {
	item

	Match []text `json:"match,omitempty"`
}

func (s *sourceDoc) settle() {
	if s.Match == nil && s.Name.set {
		s.Match = []text{s.Name}
	}
}

type precedenceDoc struct {
	At         place             `json:"-"`
	Default    []text            `json:"default,omitempty"`
	Attributes map[string][]text `json:"attributes,omitempty"`
}

// SourceFor answers which configured source the CloudEvents source belongs to: the exact match, else the longest
// pattern. It reports false for an unknown one. Where the policy declares no sources, each is its own.
func (p *Policy) SourceFor(ceSource string) (SourceRule, bool) {
	if len(p.sources) == 0 {
		return SourceRule{Name: ceSource, Match: []string{ceSource}}, true
	}
	best, length := -1, -1
	for i, rule := range p.sources {
		for _, pattern := range rule.Match {
			if pattern == ceSource {
				return rule, true
			}
			prefix, open := strings.CutSuffix(pattern, "*")
			if open && strings.HasPrefix(ceSource, prefix) && len(prefix) > length {
				best, length = i, len(prefix)
			}
		}
	}
	if best < 0 {
		return SourceRule{}, false
	}
	return p.sources[best], true
}

func (b *builder) sources() {
	patterns := map[string]place{}
	checkNames(b, "sources", b.doc.Sources)
	for _, doc := range b.doc.Sources {
		path := "sources[" + doc.Name.v + "].match"
		rule := SourceRule{Name: doc.Name.v}
		if doc.Name.v == identity.DecisionSource {
			b.addf(doc.Name.at, "sources["+doc.Name.v+"].name", "is the name under which Tenure keeps decisions of its own: take another")
		}
		if len(doc.Match) == 0 {
			b.addf(doc.At, path, "must list at least one CloudEvents source; leave the key out to match the name itself")
		}
		for _, pattern := range doc.Match {
			first, twice := patterns[pattern.v]
			switch {
			case !pattern.set || pattern.v == "":
				b.addf(pattern.at, path, "must not be empty")
			case strings.Contains(strings.TrimSuffix(pattern.v, "*"), "*"):
				b.addf(pattern.at, path, "%q: a * may stand only at the end", pattern.v)
			case twice:
				b.addf(pattern.at, path, "%q is matched already at %s", pattern.v, first)
			}
			patterns[pattern.v] = pattern.at
			rule.Match = append(rule.Match, pattern.v)
		}
		b.policy.sources = append(b.policy.sources, rule)
	}
}

func (b *builder) precedence() {
	doc := b.doc.Precedence
	if doc == nil {
		return
	}
	b.policy.precedence.Default = b.sourceNames("precedence.default", doc.Default)
	for _, attribute := range sortedKeys(doc.Attributes) {
		path := "precedence.attributes." + attribute
		names := b.sourceNames(path, doc.Attributes[attribute])
		if attribute != customField && !isAttribute(attribute) {
			at := doc.At
			if list := doc.Attributes[attribute]; len(list) > 0 {
				at = list[0].at
			}
			b.addf(at, path, "no attribute is called this; the attributes are %s", attributeNames)
			continue
		}
		if b.policy.precedence.ByAttribute == nil {
			b.policy.precedence.ByAttribute = map[string][]string{}
		}
		b.policy.precedence.ByAttribute[attribute] = names
	}
}

// sourceNames checks a list of source names: declared, where any source is, and each once.
func (b *builder) sourceNames(path string, list []text) []string {
	var names []string
	seen := map[string]bool{}
	for _, name := range list {
		known := len(b.doc.Sources) == 0
		for _, source := range b.doc.Sources {
			known = known || source.Name.v == name.v
		}
		switch {
		case !known:
			b.addf(name.at, path, "no source is called %q; declare it under sources", name.v)
		case seen[name.v]:
			b.addf(name.at, path, "%q is listed twice", name.v)
		}
		seen[name.v] = true
		names = append(names, name.v)
	}
	return names
}
