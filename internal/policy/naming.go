package policy

import (
	"iter"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/tenurehq/tenure/internal/identity"
)

// maxCandidates is how many names are tried for one person.
const maxCandidates = 1000

// The names that a policy allocates.
const (
	NameUserName = varUserName
	NameMail     = varMail
)

// The values of NamingRule.OnRename.
const (
	OnRenameKeep   = "keep"
	OnRenameFollow = "follow"
)

// NamingRule makes candidates for an allocated name. Which of them is free is for the store to find out.
type NamingRule struct {
	Name string // userName or mail
	// OnRename is what becomes of the allocated name when the person's attributes change: keep it, or follow and
	// allocate anew unless Fits says that it still suits.
	OnRename string

	preferSource bool
	maxLength    int
	templates    []*expression
}

type namingDoc struct {
	item

	Templates []formula `json:"templates"`
	Prefer    text      `json:"prefer"`
	OnRename  text      `json:"onRename"`
	MaxLength count     `json:"maxLength"`
}

const (
	preferTemplate = "template"
	preferSource   = "source"
)

func (n *namingDoc) settle() {
	n.Prefer.orElse(preferTemplate)
	n.OnRename.orElse(OnRenameKeep)
	n.MaxLength.orElse(64)
}

func (b *builder) naming() {
	checkNames(b, "naming", b.doc.Naming)
	// userName comes first: mail may be made from it.
	for _, name := range []string{NameUserName, NameMail} {
		for _, doc := range b.doc.Naming {
			if doc.Name.v == name {
				b.policy.naming = append(b.policy.naming, b.namingRule(doc))
			}
		}
	}
	for _, doc := range b.doc.Naming {
		if doc.Name.set && doc.Name.v != NameUserName && doc.Name.v != NameMail {
			b.oneOf(doc.Name, "naming["+doc.Name.v+"].name", NameUserName, NameMail)
		}
	}
}

func (b *builder) namingRule(doc namingDoc) NamingRule {
	path := "naming[" + doc.Name.v + "]"
	env := b.env.userName
	if doc.Name.v == NameMail {
		env = b.env.mail
	}
	if len(doc.Templates) == 0 {
		b.addf(doc.At, path+".templates", "must list at least one expression")
	}
	b.oneOf(doc.Prefer, path+".prefer", preferTemplate, preferSource)
	b.oneOf(doc.OnRename, path+".onRename", OnRenameKeep, OnRenameFollow)
	if n := doc.MaxLength; n.v < 8 || n.v > 64 {
		b.addf(n.at, path+".maxLength", "is %d; it must be between 8 and 64", n.v)
	}
	rule := NamingRule{
		Name:         doc.Name.v,
		OnRename:     doc.OnRename.v,
		preferSource: doc.Prefer.v == preferSource,
		maxLength:    doc.MaxLength.v,
	}
	for _, template := range doc.Templates {
		rule.templates = append(rule.templates, b.template(env, template, path+".templates"))
	}
	return rule
}

// Candidates are the names to try for the person, in order and without repetition, at most 1000: the one that the
// sources give, where the rule prefers it; what the templates give; then the first template's with 2, 3, … after it. A
// template whose result is no usable name for the person (nothing is left of it in ASCII) is passed over. The rule for
// mail needs Subject.UserName if its templates use it. An error ends the sequence.
func (r NamingRule) Candidates(s Subject) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		seen := map[string]bool{}
		try := func(name string) bool {
			key := strings.ToLower(name)
			if seen[key] {
				return true
			}
			seen[key] = true
			return yield(name, nil)
		}
		if name, ok := r.given(s); ok && !try(name) {
			return
		}
		bases, err := r.bases(s)
		if err != nil {
			yield("", err)
			return
		}
		for _, base := range bases {
			if !try(base.numbered(0, r.maxLength)) {
				return
			}
		}
		for n := 2; len(seen) < maxCandidates; n++ {
			if !try(bases[0].numbered(n, r.maxLength)) {
				return
			}
		}
	}
}

// Fits reports whether the name is one that the rule could give the person today, with any number: a name that follows
// the person's attributes changes only when it no longer does.
func (r NamingRule) Fits(name string, s Subject) (bool, error) {
	if given, ok := r.given(s); ok && strings.EqualFold(given, name) {
		return true, nil
	}
	bases, err := r.bases(s)
	if err != nil {
		return false, err
	}
	for i, base := range bases {
		if strings.EqualFold(base.numbered(0, r.maxLength), name) || i == 0 && base.isNumbered(name, r.maxLength) {
			return true, nil
		}
	}
	return false, nil
}

// given is the name that the sources give, where the rule prefers it and it can be a name at all.
func (r NamingRule) given(s Subject) (string, bool) {
	name := s.Attributes.UserName
	if r.Name == NameMail {
		name = s.Attributes.Email
	}
	name = strings.TrimSpace(name)
	local, domain, isMail := strings.Cut(name, "@")
	usable := name != "" && len(name) <= 254 && !strings.ContainsFunc(name, func(c rune) bool {
		return unicode.IsSpace(c) || !unicode.IsPrint(c)
	})
	if isMail || r.Name == NameMail {
		usable = usable && isMail && local != "" && domain != "" && !strings.Contains(domain, "@")
	}
	return name, r.preferSource && usable
}

// bases are the usable results of the templates, never none without an error.
func (r NamingRule) bases(s Subject) ([]baseName, error) {
	facts := namingFacts{person: newPersonValue(&s.Attributes), userName: types.String(s.UserName)}
	var bases []baseName
	for _, template := range r.templates {
		text, err := template.text(facts)
		if err != nil {
			return nil, err
		}
		if base, ok := parseBase(text); ok && (base.domain != "" || r.Name != NameMail) {
			bases = append(bases, base)
		}
	}
	if len(bases) == 0 {
		return nil, identity.InvalidField("naming["+r.Name+"].templates",
			`no template gives this person a usable name; end the list with one that always does, such as "u" + slug(person.employeeId)`)
	}
	return bases, nil
}

// namingFacts are the variables of a template: names are made of what lasts, not of the state or the day.
type namingFacts struct {
	person   *personValue
	userName types.String
}

// ResolveName implements cel.Activation.
func (f namingFacts) ResolveName(name string) (any, bool) {
	switch name {
	case varPerson:
		return f.person, true
	case varUserName:
		return f.userName, true
	default:
		return nil, false
	}
}

// Parent implements cel.Activation.
func (f namingFacts) Parent() cel.Activation { return nil }

// baseName is a name before a number is put to it: "j.doe" and, where the name is an address, its domain.
type baseName struct{ local, domain string }

var (
	localPattern  = regexp.MustCompile(`^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$`)
	domainPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$`)
)

// maxDomain leaves room for a local part of 64 characters within the 254 of a path (RFC 5321 section 4.5.3.1).
const maxDomain = 189

func parseBase(text string) (baseName, bool) {
	local, domain, isMail := strings.Cut(text, "@")
	ok := localPattern.MatchString(local) && (!isMail || len(domain) <= maxDomain && domainPattern.MatchString(domain))
	return baseName{local: local, domain: domain}, ok
}

// numbered is the name with the number put to its local part, which is shortened to fit; 0 puts none.
func (n baseName) numbered(number, maxLength int) string {
	suffix := ""
	if number > 0 {
		suffix = strconv.Itoa(number)
	}
	local := n.local
	if len(local)+len(suffix) > maxLength {
		local = strings.TrimRight(local[:maxLength-len(suffix)], "._-")
	}
	if n.domain == "" {
		return local + suffix
	}
	return local + suffix + "@" + n.domain
}

func (n baseName) isNumbered(name string, maxLength int) bool {
	local, _, _ := strings.Cut(name, "@")
	digits := local[len(strings.TrimRight(local, "0123456789")):]
	// The base may end in digits itself: any tail of them may be the number.
	for i := range digits {
		number, err := strconv.Atoi(digits[i:])
		if err == nil && number >= 2 && strings.EqualFold(n.numbered(number, maxLength), name) {
			return true
		}
	}
	return false
}
