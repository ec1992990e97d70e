package policy

import (
	"slices"
	"strings"
	"time"
)

// Target is a system in which people have accounts.
type Target struct {
	Name      string
	Connector string // the connector's name in the registry
	// Settings are the connector's, with references to secrets (env:NAME, file:/path) unresolved; numbers are float64.
	Settings map[string]any
	// Correlate is the mapped attribute by which an account is looked up before one is made.
	Correlate string
	// Attributes are the names of the mapped attributes, sorted. What is not mapped is not touched.
	Attributes []string
	// Entitlements are those that policy may give; what else an account holds is not Tenure's to take.
	Entitlements []Entitlement
	// Concurrency is how many calls may run at once, 1 to 1000.
	Concurrency int
	// Rate is how many requests one worker process may make; the zero Rate leaves that to the connector.
	Rate Rate
	// AttemptTimeout is how long one attempt at an account may take, 1 s to 5 min.
	AttemptTimeout time.Duration
	// SettleLag is how long after the attempt's end the target may still show its effect, 0 to 1 h.
	SettleLag time.Duration
	// BlockBudget is how long a joiner or mover waits for the target while it is down, 0 to 24 h.
	BlockBudget time.Duration
	// PreHire is how long before the start an account is made, disabled, 0 to 365 d.
	PreHire time.Duration
	// OnUnassigned is what becomes of an account that policy no longer gives: disable or delete.
	OnUnassigned string
	// Provision is when an account is made: eager, as soon as policy gives it.
	Provision string
}

// Rate is a number of requests, 10 to 1,000,000, in a length of time, 1 s to 1 h.
type Rate struct {
	Requests int
	Per      time.Duration
}

// The values of Target.OnUnassigned and Target.Provision.
const (
	OnUnassignedDisable = "disable"
	OnUnassignedDelete  = "delete"
	ProvisionEager      = "eager"
)

type targetDoc struct {
	item

	Connector      text               `json:"connector"`
	Settings       settings           `json:"settings,omitempty"`
	Correlate      text               `json:"correlate"`
	Attributes     map[string]formula `json:"attributes"`
	Entitlements   []entitlementDoc   `json:"entitlements,omitempty"`
	Concurrency    count              `json:"concurrency"`
	Rate           *rateDoc           `json:"rate,omitempty"`
	AttemptTimeout span               `json:"attemptTimeout"`
	SettleLag      span               `json:"settleLag"`
	BlockBudget    span               `json:"blockBudget"`
	PreHire        span               `json:"preHire"`
	OnUnassigned   text               `json:"onUnassigned"`
	Provision      text               `json:"provision"`
}

type rateDoc struct {
	At       place `json:"-"`
	Requests count `json:"requests"`
	Per      span  `json:"per"`
}

func (t *targetDoc) settle() {
	const day = 24 * time.Hour
	t.Correlate.orElse("userName")
	t.Concurrency.orElse(8)
	t.AttemptTimeout.orElse(duration(10 * time.Second))
	t.SettleLag.orElse(duration(time.Minute))
	t.BlockBudget.orElse(duration(2 * time.Minute))
	t.PreHire.orElse(duration(7 * day))
	t.OnUnassigned.orElse(OnUnassignedDisable)
	t.Provision.orElse(ProvisionEager)
	for i := range t.Entitlements {
		t.Entitlements[i].settle()
	}
}

// mapping computes one attribute of an account.
type mapping struct {
	attribute string
	value     *expression
}

func (b *builder) targets() {
	checkNames(b, "targets", b.doc.Targets)
	for _, doc := range b.doc.Targets {
		path := "targets[" + doc.Name.v + "]"
		if !doc.Connector.set {
			b.addf(doc.At, path+".connector", "is missing")
		}
		b.limits(doc, path)
		mappings := b.mappings(doc, path+".attributes")
		b.policy.mappings = append(b.policy.mappings, mappings)
		b.policy.targets = append(b.policy.targets, Target{
			Name:           doc.Name.v,
			Connector:      doc.Connector.v,
			Settings:       doc.Settings,
			Correlate:      doc.Correlate.v,
			Attributes:     sortedKeys(doc.Attributes),
			Entitlements:   b.entitlements(doc, path+".entitlements"),
			Concurrency:    doc.Concurrency.v,
			Rate:           b.rate(doc.Rate, path+".rate"),
			AttemptTimeout: time.Duration(doc.AttemptTimeout.v),
			SettleLag:      time.Duration(doc.SettleLag.v),
			BlockBudget:    time.Duration(doc.BlockBudget.v),
			PreHire:        time.Duration(doc.PreHire.v),
			OnUnassigned:   doc.OnUnassigned.v,
			Provision:      doc.Provision.v,
		})
	}
}

func (b *builder) targetIndex(name string) (int, bool) {
	i := slices.IndexFunc(b.policy.targets, func(t Target) bool { return t.Name == name })
	return max(i, 0), i >= 0
}

func (b *builder) limits(doc targetDoc, path string) {
	if n := doc.Concurrency; n.v < 1 || n.v > 1000 {
		b.addf(n.at, path+".concurrency", "is %d; it must be between 1 and 1000", n.v)
	}
	within := func(s span, key string, least, most time.Duration) {
		if v := time.Duration(s.v); v < least || v > most {
			b.addf(s.at, path+"."+key, "is %s; it must be between %s and %s", v, least, most)
		}
	}
	within(doc.AttemptTimeout, "attemptTimeout", time.Second, 5*time.Minute)
	within(doc.SettleLag, "settleLag", 0, time.Hour)
	within(doc.BlockBudget, "blockBudget", 0, 24*time.Hour)
	within(doc.PreHire, "preHire", 0, 365*24*time.Hour)
	b.oneOf(doc.OnUnassigned, path+".onUnassigned", OnUnassignedDisable, OnUnassignedDelete)
	if doc.Provision.v == "on_first_access" {
		b.addf(doc.Provision.at, path+".provision", "on_first_access is not yet supported; write eager or leave the key out")
	} else {
		b.oneOf(doc.Provision, path+".provision", ProvisionEager)
	}
}

// rate checks what a target may be asked in a length of time. The least leaves room for one attempt.
func (b *builder) rate(doc *rateDoc, path string) Rate {
	if doc == nil {
		return Rate{}
	}
	switch n := doc.Requests; {
	case !n.set:
		b.addf(doc.At, path+".requests", "is missing")
	case n.v < 10 || n.v > 1_000_000:
		b.addf(n.at, path+".requests", "is %d; it must be between 10 and 1000000", n.v)
	}
	switch per := time.Duration(doc.Per.v); {
	case !doc.Per.set:
		b.addf(doc.At, path+".per", "is missing")
	case per < time.Second || per > time.Hour:
		b.addf(doc.Per.at, path+".per", "is %s; it must be between %s and %s", per, time.Second, time.Hour)
	}
	return Rate{doc.Requests.v, time.Duration(doc.Per.v)}
}

func (b *builder) mappings(doc targetDoc, path string) []mapping {
	if _, ok := doc.Attributes[doc.Correlate.v]; !ok {
		b.addf(firstPlace(doc.Correlate.at, doc.At), strings.TrimSuffix(path, "attributes")+"correlate",
			"%q is not among the target's attributes; map it, or correlate by one that is mapped", doc.Correlate.v)
	}
	var mappings []mapping
	for _, name := range sortedKeys(doc.Attributes) {
		value := b.mapping(b.env.full, doc.Attributes[name], join(path, name))
		mappings = append(mappings, mapping{attribute: name, value: value})
	}
	return mappings
}

func (b *builder) entitlements(doc targetDoc, path string) []Entitlement {
	var list []Entitlement
	for _, e := range doc.Entitlements {
		entitlement := Entitlement{Kind: e.Kind.v, Name: e.Name.v}
		switch {
		case !e.Name.set:
			b.addf(e.At, path, "an entitlement without a name")
		case slices.Contains(list, entitlement):
			b.addf(e.Name.at, path, "%s %q is listed twice", entitlement.Kind, entitlement.Name)
		default:
			list = append(list, entitlement)
		}
	}
	return list
}

// firstPlace is the place of a value, or of what contains it when the value is a default.
func firstPlace(at, container place) place {
	if at.line == 0 {
		return container
	}
	return at
}
