package policy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// document is the policy as written. Its JSON, with defaults filled in and lists of named things sorted, is what the
// database stores: adding a key here must keep what is stored readable (omitzero, and a default that means the same).
type document struct {
	Organization text             `json:"organization"`
	TimeZone     text             `json:"timeZone"`
	Provisioning *provisioningDoc `json:"provisioning,omitempty"`
	Sources      []sourceDoc      `json:"sources,omitempty"`
	Precedence   *precedenceDoc   `json:"precedence,omitempty"`
	Correlation  []correlationDoc `json:"correlation,omitempty"`
	Naming       []namingDoc      `json:"naming,omitempty"`
	Targets      []targetDoc      `json:"targets,omitempty"`
	Roles        []roleDoc        `json:"roles,omitempty"`
	Birthright   []birthrightDoc  `json:"birthright,omitempty"`
}

// item is what every item of a list of named things begins with.
type item struct {
	At   place `json:"-"`
	Name text  `json:"name"`
}

func (i item) itemName() text   { return i.Name }
func (i item) itemPlace() place { return i.At }

// named is an item of a list that is merged by name.
type named interface {
	itemName() text
	itemPlace() place
}

// merge adds the other document's content to d.
func (d *document) merge(other document, problems *problemList) {
	mergeText(&d.Organization, other.Organization, "organization", problems)
	mergeText(&d.TimeZone, other.TimeZone, "timeZone", problems)
	switch {
	case d.Provisioning == nil:
		d.Provisioning = other.Provisioning
	case other.Provisioning != nil:
		problems.addf(other.Provisioning.At, "provisioning", "given twice; the first is at %s", d.Provisioning.At)
	}
	switch {
	case d.Precedence == nil:
		d.Precedence = other.Precedence
	case other.Precedence != nil:
		problems.addf(other.Precedence.At, "precedence", "given twice; the first is at %s", d.Precedence.At)
	}
	d.Sources = append(d.Sources, other.Sources...)
	d.Correlation = append(d.Correlation, other.Correlation...)
	d.Naming = append(d.Naming, other.Naming...)
	d.Targets = append(d.Targets, other.Targets...)
	d.Roles = append(d.Roles, other.Roles...)
	d.Birthright = append(d.Birthright, other.Birthright...)
}

func mergeText(into *text, other text, path string, problems *problemList) {
	switch {
	case !into.set:
		*into = other
	case other.set && other.v != into.v:
		problems.addf(other.at, path, "is %q here and %q at %s; all files must agree", other.v, into.v, into.at)
	}
}

// settle fills in the defaults and brings the lists whose order means nothing into the order of names.
func (d *document) settle() {
	d.TimeZone.orElse("UTC")
	if d.Provisioning != nil {
		d.Provisioning.settle()
	}
	for i := range d.Sources {
		d.Sources[i].settle()
	}
	for i := range d.Correlation {
		d.Correlation[i].settle()
	}
	for i := range d.Naming {
		d.Naming[i].settle()
	}
	for i := range d.Targets {
		d.Targets[i].settle()
	}
	for i := range d.Roles {
		d.Roles[i].settle()
	}
	sortByName(d.Sources)
	sortByName(d.Naming)
	sortByName(d.Targets)
	sortByName(d.Roles)
	sortByName(d.Birthright)
}

func sortByName[T named](items []T) {
	slices.SortStableFunc(items, func(a, b T) int { return cmp.Compare(a.itemName().v, b.itemName().v) })
}

// source is the document's canonical JSON.
func (d *document) source() ([]byte, error) { return encode(d) }

// encode is json.Marshal without the escaping of <, > and & meant for HTML, which would make stored expressions hard to
// read.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// isName reports whether s can name something in a policy: letters, digits, and . _ - between them, at most 64.
func isName(s string) bool {
	const alnum = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return s != "" && len(s) <= 64 && strings.Trim(s, alnum+"._-") == "" &&
		strings.Contains(alnum, s[:1]) && strings.Contains(alnum, s[len(s)-1:])
}
