package scim

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/scim2/filter-parser/v2"
)

// Schema and message URNs (RFC 7643 §10.3, RFC 7644 §8.2).
const (
	schemaUser       = "urn:ietf:params:scim:schemas:core:2.0:User"
	schemaEnterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	messagePatch     = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	messageList      = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	messageError     = "urn:ietf:params:scim:api:messages:2.0:Error"
)

// spelling maps the lower-case form of the names of RFC 7643 to their canonical one: names are case-insensitive on the
// wire (§2.1) and exact in Account.Attributes.
var spelling = func() map[string]string {
	names := strings.Fields(`schemas id externalId meta userName name displayName nickName profileUrl title userType
		preferredLanguage locale timezone active password emails phoneNumbers ims photos addresses groups entitlements roles
		x509Certificates formatted familyName givenName middleName honorificPrefix honorificSuffix value display type primary
		streetAddress locality region postalCode country employeeNumber costCenter organization division department manager
		members resourceType created lastModified location version ` + schemaUser + " " + schemaEnterprise)
	m := make(map[string]string, len(names))
	for _, n := range names {
		m[strings.ToLower(n)] = n
	}
	return m
}()

func canonicalName(name string) string {
	if c, ok := spelling[strings.ToLower(name)]; ok {
		return c
	}
	return name
}

// key is a parsed attribute key: urn:attr[filterAttr eq filterValue].sub, of which only attr is always there.
type key struct {
	urn         string // of an extension; "" for the core schema
	attr        string
	filterAttr  string
	filterValue any // string or bool
	sub         string
}

// unwritable are the attributes that are not Account.Attributes: the connector or the target owns them.
var unwritable = map[string]string{
	"schemas": "the connector writes it",
	"id":      "the target assigns it",
	"meta":    "the target assigns it",
	"active":  "Account.Enabled holds it",
	"groups":  "grants change it",
}

// parseKey reads an attribute key. The grammar is that of a PATCH path (RFC 7644 §3.5.2), narrowed to one
// equality in the value filter, followed by a sub-attribute, so that each key names one value.
func parseKey(s string) (key, error) {
	var k key
	rest := s
	// The URN is taken off by hand: the parser knows no hyphen or underscore in one, and vendors use both.
	if len(s) > 4 && strings.EqualFold(s[:4], "urn:") {
		head, _, _ := strings.Cut(s, "[")
		colon := strings.LastIndexByte(head, ':')
		k.urn, rest = canonicalName(s[:colon]), s[colon+1:]
		if k.urn == schemaUser {
			k.urn = ""
		}
	}
	path, err := filter.ParsePath([]byte(rest))
	if err != nil {
		return key{}, fmt.Errorf("attribute key %q is not a SCIM path: %w", s, err)
	}
	k.attr = canonicalName(path.AttributePath.AttributeName)
	k.sub = canonicalName(path.AttributePath.SubAttributeName() + path.SubAttributeName())
	if why, no := unwritable[k.attr]; no && k.urn == "" {
		return key{}, fmt.Errorf("attribute key %q is not allowed: %s", s, why)
	}
	if path.ValueExpression == nil {
		return k, nil
	}
	if err := k.takeFilter(path); err != nil {
		return key{}, fmt.Errorf("attribute key %q: %w", s, err)
	}
	return k, nil
}

func (k *key) takeFilter(path filter.Path) error {
	e, ok := path.ValueExpression.(*filter.AttributeExpression)
	if !ok || e.Operator != filter.EQ || e.AttributePath.SubAttribute != nil || e.AttributePath.URIPrefix != nil {
		return errors.New(`its filter must be one equality, as in emails[type eq "work"].value`)
	}
	if path.SubAttribute == nil || path.AttributePath.SubAttribute != nil {
		return errors.New("its filter must be followed by one sub-attribute, such as .value")
	}
	k.filterAttr = canonicalName(e.AttributePath.AttributeName)
	switch v := e.CompareValue.(type) {
	case bool:
		k.filterValue = v
	case string:
		// The parser leaves the JSON escapes in (seen in v2.2.0).
		var plain string
		if err := json.Unmarshal([]byte(`"`+v+`"`), &plain); err != nil {
			return fmt.Errorf("its filter's value: %w", err)
		}
		k.filterValue = plain
	default:
		return errors.New("its filter must compare with a text, true or false")
	}
	return nil
}

// String is the canonical form of the key, which is also its PATCH path.
func (k key) String() string {
	s := k.element()
	if k.sub != "" {
		s += "." + k.sub
	}
	return s
}

// list is the path of the attribute itself, without filter and sub-attribute.
func (k key) list() string {
	if k.urn != "" {
		return k.urn + ":" + k.attr
	}
	return k.attr
}

// element is the path without the sub-attribute.
func (k key) element() string {
	if k.filterAttr == "" {
		return k.list()
	}
	return k.list() + "[" + k.filterAttr + " eq " + literal(k.filterValue) + "]"
}

// equals is the filter that finds the resources whose value under the key is value. RFC 7644 §3.4.2.2 allows no
// sub-attribute behind brackets in a filter, so the comparison goes inside.
func (k key) equals(value string) string {
	if k.filterAttr == "" {
		return k.String() + " eq " + quote(value)
	}
	return k.list() + "[" + k.filterAttr + " eq " + literal(k.filterValue) + " and " + k.sub + " eq " + quote(value) + "]"
}

// caseExact are the identifiers that RFC 7643 compares with regard to case; its other text attributes are not.
func (k key) caseExact() bool {
	return k.attr == "externalId" || k.sub == "$ref" || k.attr == "manager" && k.sub == "value"
}

func literal(v any) string {
	if b, ok := v.(bool); ok {
		return strconv.FormatBool(b)
	}
	return quote(fmt.Sprint(v))
}

// quote writes a filter's text literal (the JSON string of RFC 8259 §7, by RFC 7644 §3.4.2.2). Only what must be
// escaped is, and in upper-case hex, since some servers' parsers know no other.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ':
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
