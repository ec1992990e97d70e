package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tenurehq/tenure/internal/identity"
)

// File is one policy file. Name stands in front of each problem found in it.
type File struct {
	Name string
	Data []byte
}

// Policy is a checked policy of one organization.
type Policy struct {
	source       []byte
	organization string
	zone         *time.Location
	sources      []SourceRule
	precedence   identity.Precedence
	provisioning Provisioning
	correlations []Correlation
	naming       []NamingRule
	targets      []Target
	mappings     [][]mapping // parallel to targets
	rules        []rule
	// What expressions refer to decides when a person has to be looked at again.
	refersToManager bool
	refersToToday   bool
	groups          GroupReferences
	places          places // none after Load
}

// Parse reads and checks the policy documents of one organization. Several files, and several YAML documents in a file,
// make one policy. Its error is a Problems with everything that is wrong.
func Parse(files ...File) (*Policy, error) {
	var (
		doc      document
		problems problemList
		whole    = true
		at       = places{}
	)
	for i, file := range files {
		d := decoder{file: file.Name, order: i, problems: &problems, places: at}
		docs, ok := d.decodeFile(file.Data)
		whole = whole && ok
		for _, part := range docs {
			doc.merge(part, &problems)
		}
	}
	if !whole {
		// What an unreadable file would have defined is unknown: complaints about missing names would mislead.
		return nil, problems.err()
	}
	policy, err := build(&doc, &problems)
	if err != nil {
		return nil, err
	}
	policy.places = at
	policy.source, err = doc.source()
	return policy, err
}

// Load reads what Source gave, also that of an older version of the binary. A key it does not know is an error: a policy
// of a newer version must not be applied in part.
func Load(canonical []byte) (*Policy, error) {
	var doc document
	dec := json.NewDecoder(bytes.NewReader(canonical))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return nil, Problems{{Message: fmt.Sprintf("the stored policy cannot be read by this version: %v", err)}}
	}
	policy, err := build(&doc, &problemList{})
	if err != nil {
		return nil, err
	}
	policy.source = bytes.Clone(canonical)
	return policy, nil
}

// Source is the canonical JSON of the documents, for Load: defaults are filled in, so that a later version with other
// defaults reads the same policy, and what has no order of its own is sorted, so that moving things between files
// changes nothing.
func (p *Policy) Source() []byte { return bytes.Clone(p.source) }

// Hash is the SHA-256 of Source in hexadecimal digits.
func (p *Policy) Hash() string {
	sum := sha256.Sum256(p.source)
	return hex.EncodeToString(sum[:])
}

// Organization is the name of the organization that the policy is for.
func (p *Policy) Organization() string { return p.organization }

// Zone is the time zone of people for whom no source gives one.
func (p *Policy) Zone() *time.Location { return p.zone }

// Precedence is whose word counts, by the names of the sources.
func (p *Policy) Precedence() identity.Precedence { return p.precedence }

// Correlations are the rules in the order in which they are tried.
func (p *Policy) Correlations() []Correlation { return p.correlations }

// NamingRules are the rules for allocated names: userName before mail, which may be made from it.
func (p *Policy) NamingRules() []NamingRule { return p.naming }

// Targets are the targets in the order of their names.
func (p *Policy) Targets() []Target { return p.targets }

// Target is the named target; false when the policy has none of that name.
func (p *Policy) Target(name string) (Target, bool) {
	i, ok := slices.BinarySearchFunc(p.targets, name, func(t Target, name string) int { return strings.Compare(t.Name, name) })
	if !ok {
		return Target{}, false
	}
	return p.targets[i], true
}

// RefersToManager reports whether any expression looks at the manager, so that a change of the manager's attributes
// concerns the people who report to them.
func (p *Policy) RefersToManager() bool { return p.refersToManager }

// GroupReferences are the directory's groups that expressions ask about.
type GroupReferences struct {
	// Any is true when some expression looks at the groups otherwise than by `"name" in groups`.
	Any bool
	// Names are the display names asked about, sorted.
	Names []string
}

// None reports whether no expression looks at groups.
func (g GroupReferences) None() bool { return !g.Any && len(g.Names) == 0 }

// Has reports whether it matters who is a member of the group of that display name.
func (g GroupReferences) Has(displayName string) bool {
	_, found := slices.BinarySearch(g.Names, displayName)
	return g.Any || found
}

// Groups are the directory's groups that the policy refers to: a change of the members of others concerns nobody.
func (p *Policy) Groups() GroupReferences { return p.groups }

// builder makes a Policy from a document and notes what is wrong with it.
type builder struct {
	*problemList

	doc    *document
	policy *Policy
	env    *environments
}

var organizationPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,29}[a-z0-9])?$`)

func build(doc *document, problems *problemList) (*Policy, error) {
	env, err := celEnvironments()
	if err != nil {
		return nil, fmt.Errorf("set up CEL: %w", err)
	}
	doc.settle()
	b := &builder{problemList: problems, doc: doc, policy: &Policy{}, env: env}
	b.header()
	b.provisioning()
	b.sources()
	b.precedence()
	b.correlations()
	b.naming()
	b.targets()
	b.birthright(b.roles())
	if err := b.err(); err != nil {
		return nil, err
	}
	return b.policy, nil
}

func (b *builder) header() {
	org := b.doc.Organization
	switch {
	case !org.set:
		b.addf(place{}, "organization", "is missing; name the organization in one of the files")
	case org.v != "" && !organizationPattern.MatchString(org.v):
		b.addf(org.at, "organization", "must be lower-case letters, digits and hyphens, at most 31")
	}
	b.policy.organization = org.v

	zone, err := loadZone(b.doc.TimeZone.v)
	if err != nil && b.doc.TimeZone.v != "" {
		b.addf(b.doc.TimeZone.at, "timeZone", "%q is not the name of a time zone; write it like Europe/Berlin", b.doc.TimeZone.v)
	}
	b.policy.zone = zone
}

// loadZone is time.LoadLocation without "" and "Local", which would mean whatever the server's zone is.
func loadZone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("no time zone %q", name)
	}
	return time.LoadLocation(name)
}

// checkNames reports items without a proper name and names that are given twice.
func checkNames[T named](b *builder, list string, items []T) {
	first := map[string]place{}
	for _, item := range items {
		name := item.itemName()
		path := list + "[" + name.v + "].name"
		earlier, twice := first[name.v]
		switch {
		case !name.set:
			b.addf(item.itemPlace(), list+"[].name", "is missing")
		case name.v == "":
		case !isName(name.v):
			b.addf(name.at, path, "must be letters, digits, and . _ - between them, at most 64")
		case twice:
			b.addf(name.at, path, "is defined twice; the first is at %s", earlier)
		default:
			first[name.v] = name.at
		}
	}
}

// oneOf reports a value that is none of the allowed ones.
func (b *builder) oneOf(value text, path string, allowed ...string) {
	if value.v != "" && !slices.Contains(allowed, value.v) {
		b.addf(value.at, path, "is %q; it must be %s", value.v, strings.Join(allowed, " or "))
	}
}
