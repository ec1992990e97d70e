package scim

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/scim2/filter-parser/v2"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// someone is a representation with what the server adds.
func someone(t testing.TB) Resource {
	t.Helper()
	return load(t, acmeType(t), `{"id":"Ab-1","externalId":"X7","userName":"Bjensen@example.com","displayName":"Babs \"B\" Jensen","title":"Ärztin",
		"active":true,"name":{"givenName":"Barbara","familyName":"Jensen"},
		"meta":{"created":"2011-05-13T04:42:34Z","lastModified":"2026-01-02T03:04:05.678+02:00","resourceType":"User"},
		"emails":[{"type":"work","value":"babs@example.com","primary":true},{"type":"home","value":"b@home.org"},{"value":"none@x.org"}],
		"groups":[{"value":"g1","display":"Staff"}],
		"`+ent+`":{"employeeNumber":"701984","department":"Tour","manager":{"value":"m1"}},
		"`+acmeURN+`":{"level":3,"share":0.5,"tags":["Red","blue"],"remote":false,"hired":"2020-01-01T00:00:00Z"}}`)
}

func TestFilterMatches(t *testing.T) {
	t.Parallel()
	rt, r := acmeType(t), someone(t)
	for text, want := range map[string]bool{
		// operators, and what is caseExact
		`userName eq "bjensen@EXAMPLE.com"`: true, `userName eq "bjensen"`: false, `userName ne "bjensen"`: true, `userName ne "BJENSEN@example.com"`: false,
		`userName co "JENSEN"`: true, `userName sw "bj"`: true, `userName ew ".COM"`: true, `userName ew "org"`: false, `userName pr`: true, `nickName pr`: false,
		`id eq "Ab-1"`: true, `id eq "ab-1"`: false, `externalId eq "X7"`: true, `externalId eq "x7"`: false, `externalId sw "x"`: false,
		`userName gt "Bj"`: true, `userName lt "bj"`: false, `userName ge "bjensen@example.com"`: true, `userName le "BJENSEN@example.com"`: true, `title co "ÄRZT"`: true,
		// case of names and operators
		`USERNAME EQ "bjensen@example.com"`: true, `UserName Pr`: true, `userName pr AND Active eq True`: true, `Not (userName pr)`: false, `name.GIVENNAME Sw "bar"`: true,
		// boolean, number, date, null
		`active eq true`: true, `active eq false`: false, `active ne false`: true, `active eq "True"`: true, acmeURN + `:remote eq false`: true, acmeURN + `:remote ne true`: true,
		acmeURN + `:level eq 3`: true, acmeURN + `:level gt 2.5`: true, acmeURN + `:level le 3e0`: true, acmeURN + `:level lt -3`: false, acmeURN + `:share eq 0.5`: true, acmeURN + `:share ge 1`: false,
		`meta.lastModified gt "2011-05-13T04:42:34Z"`: true, `meta.lastModified eq "2026-01-02T01:04:05.678Z"`: true, `meta.created le "2011-05-13T05:42:34+01:00"`: true, `meta.created lt "2011-05-13T04:42:34"`: false,
		`meta.resourceType eq "User"`: true, `meta.resourceType eq "Group"`: false, acmeURN + `:hired sw "2020"`: false,
		`nickName eq null`: true, `userName eq null`: false, `userName ne null`: true, `emails.type ne null`: true, `nickName eq ""`: false,
		// unassigned
		`nickName ne "x"`: true, `nickName eq "x"`: false, `nickName lt "x"`: false, `not (nickName eq "x")`: true, `roles ne "x"`: true, `roles.value co ""`: false, acmeURN + `:badge ne "1"`: true,
		// multi-valued
		`emails co "EXAMPLE.com"`: true, `emails eq "b@home.org"`: true, `emails.value ew "org"`: true, `emails.type eq "HOME"`: true, `emails.type eq "other"`: false, `emails.type ne "work"`: true,
		`emails pr`: true, `emails.display pr`: false, `emails.type pr`: true, `roles pr`: false, `emails.primary eq true`: true, `emails sw "z"`: false,
		`emails[type eq "work" and value co "@example.com"]`: true, `emails[type eq "home" and value co "@example.com"]`: false, `emails.type eq "home" and emails.value co "@example.com"`: true,
		`emails[type eq "work" and value co "@example.com" and primary eq true]`: true, `emails[not (type pr)]`: true, `emails[(type eq "x" or value sw "none") and not (primary eq true)]`: true,
		`emails[type ne "work" and type ne "home"]`: true, `not (emails[type ne "work"])`: false, `emails[type eq "work"].value eq "BABS@example.com"`: true, `emails[type eq "home"].value sw "babs"`: false,
		`emails[ type eq "work" ]`: true, `emails[type eq "work"].display pr`: false, `groups.value eq "g1"`: true, `groups eq "g2"`: false, `groups[display sw "st"]`: true, `groups.value eq "G1"`: false,
		acmeURN + `:tags eq "red"`: true, acmeURN + `:tags[value eq "BLUE"]`: true, acmeURN + `:tags[value eq "green"]`: false, acmeURN + `:tags ne "red"`: true, acmeURN + `:codes pr`: false,
		// complex
		`name pr`: true, `name.honorificPrefix pr`: false, ent + `:manager eq "m1"`: true, ent + `:manager.value eq "m2"`: false, ent + `:manager.displayName pr`: false, `name[givenName eq "barbara"]`: true, `addresses[locality pr]`: false,
		// URNs
		`urn:ietf:params:scim:schemas:core:2.0:User:userName sw "B"`: true, `URN:IETF:params:scim:schemas:core:2.0:user:name.familyName eq "jensen"`: true,
		ent + `:department eq "tour"`: true, strings.ToUpper(ent) + `:EMPLOYEENUMBER eq "701984"`: true, ent + ` pr`: true,
		`schemas eq "` + UserSchema + `"`: true, `schemas eq "` + ent + `"`: true, `schemas ne "` + ent + `"`: false, `schemas eq "urn:x"`: false, `schemas ne "urn:x"`: true, `schemas pr`: true,
		`schemas co "Enterprise"`: true, `schemas sw "urn:example:"`: true, `schemas ew ":core:2.0:user"`: true, `schemas co "Group"`: false, `schemas ew ":2.0:User"`: true, `schemas co "extension"`: true,
		`not (schemas co "extension") or nickName pr`: false, `schemas co "extension" and nickName pr`: false,
		// precedence and grouping
		`title pr or nickName pr and locale pr`: true, `(title pr or nickName pr) and locale pr`: false, `nickName pr and locale pr or title pr`: true, `not (nickName pr) and title pr`: true,
		`not (title pr and nickName pr)`: true, `not(title pr)or active eq true`: true, `((((title pr))))`: true, `(title pr)and(active eq true)`: true,
		// escapes and spaces
		`displayName eq "Babs \"B\" Jensen"`: true, `displayName eq "\u0042abs \u0022B\" Jensen"`: true, `title eq "\u00e4rztin"`: true, `title eq "\u00C4rztin"`: true, "  userName \t pr  ": true,
		`displayName co " and "`: false, `displayName eq "a) or (userName pr"`: false, `displayName co "]"`: false,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			f, err := ParseFilter(rt, text)
			if strings.Contains(text, "hired sw") {
				requireError(t, err, InvalidFilter)
				return
			}
			require.NoError(t, err)
			require.Equal(t, want, f.Match(r), f)
			again, err := ParseFilter(rt, f.String())
			require.NoError(t, err, f.String())
			require.Equal(t, want, again.Match(r))
		})
	}
}

func TestFilterRefuses(t *testing.T) {
	t.Parallel()
	rt := acmeType(t)
	for _, text := range []string{
		``, ` `, `userName`, `userName eq`, `userName eq `, `userName is "x"`, `userName eq x`, `userName eq 'x'`, `userName eq "x`, `userName eq "x" and`, `and`, `userName eq "x" userName pr`,
		`userName eq"x"`, `userName eq "x"and title pr`, `userName prx`, `(userName pr`, `userName pr)`, `not userName pr`, `not`, `()`, `userName pr and or title pr`, `userName pr or`,
		`shoeSize eq 1`, `name.nick eq "x"`, `userName.x eq "x"`, `urn:x:userName eq "x"`, ent + ` eq "x"`, ent + `: eq "x"`, `.userName pr`, `userName. pr`, `name..x pr`, `emails.value.x pr`,
		`name eq "x"`, `addresses co "x"`, `meta eq "x"`, `emails[type eq "work"`, `emails[]`, `emails[type eq "work"]x`, `emails[type eq "work"]. eq "x"`, `emails[type eq "work"].kind pr`, `emails[emails[type pr]]`, `emails[kind eq "x"]`,
		`password eq "x"`, `password pr`, acmeURN + `:pin sw "1"`,
		`emails.value[type eq "x"]`, `userName[value eq "x"]`, ent + `[department eq "x"]`, `schemas[value eq "x"]`, `shoe[size eq 1]`,
		// types and operators
		`active gt true`, `active co "t"`, `active eq "yes"`, `active eq 1`, `userName eq 1`, `userName eq true`, `userName gt null`, acmeURN + `:level eq "3"`, acmeURN + `:level co 3`, acmeURN + `:level eq true`,
		`meta.created gt "2011"`, `meta.created co "2011"`, `meta.created gt 2011`, acmeURN + `:key gt "MIID"`, acmeURN + `:key co "MIID"`, acmeURN + `:key eq 1`, `schemas gt "urn"`, `schemas eq 1`, `schemas co 1`, `schemas co null`, acmeURN + `:share gt 1e999`, acmeURN + `:level eq 01`, acmeURN + `:level eq 1.`, acmeURN + `:level eq -`,
		// texts
		`userName eq "\x"`, `userName eq "\u12"`, `userName eq "\ud800"`, `userName eq "\u0000"`, "userName eq \"\x00\"", "userName eq \"a\nb\"", "userName eq \"\xff\"", `userName eq "a"b"`,
		// size
		strings.Repeat("(", 31) + "title pr" + strings.Repeat(")", 31), strings.Repeat("not (", 31) + "title pr" + strings.Repeat(")", 31), strings.Repeat("(", MaxFilterText), `userName eq "` + strings.Repeat("x", MaxFilterText) + `"`,
	} {
		_, err := ParseFilter(rt, text)
		require.Error(t, err, text)
		requireError(t, err, InvalidFilter)
		require.NotContains(t, err.Error(), "shoe", "an error repeats nothing of the filter")
	}
	_, err := ParseFilter(rt, strings.Repeat("title pr or ", MaxFilterTerms)+"title pr")
	requireError(t, err, TooMany)
	_, err = ParseFilter(rt, strings.Repeat("title pr or ", MaxFilterTerms-1)+"title pr")
	require.NoError(t, err)
	_, err = ParseFilter(rt, strings.Repeat("(", 30)+"title pr"+strings.Repeat(")", 30))
	require.NoError(t, err)
}

func TestRootFilterTreatsOtherTypesAttributesAsUnassigned(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`displayName eq "g"`: true, `userName eq "g"`: false, `userName ne "g"`: true, `userName pr`: false, `not (userName pr)`: true, ent + `:department eq "x"`: false,
		`meta.resourceType eq "Group" or meta.resourceType eq "User"`: true, `meta.resourceType eq "User"`: false, `meta.resourceType ne "User"`: true, `name.familyName co "x" or displayName sw "G"`: true,
		`emails[type eq "work"]`: false, `not (emails[type eq "work" and (value co "x" or not (primary eq true))].value pr)`: true, `emails[type ne "x"] or displayName eq "g"`: true,
	} {
		f, err := ParseRootFilter(GroupType(), text)
		require.NoError(t, err, text)
		require.Equal(t, want, f.Match(Resource{"displayName": "g"}), text)
	}
	for _, text := range []string{`members[kind eq "work"]`, `emails[type eq "work"`, `emails[type is "work"]`, `emails[roles[value eq "x"]]`, `emails[]`, `emails[type eq "x"].value`} {
		_, err := ParseRootFilter(GroupType(), text)
		require.Error(t, err, text)
		requireError(t, err, InvalidFilter)
	}
}

func TestFilterIsWhatTheStoreCompiles(t *testing.T) {
	t.Parallel()
	rt := acmeType(t)
	for text, want := range map[string]string{
		`EMAILS co "x"`:                         `emails.value co "x"`,
		`emails[TYPE eq "work"].Value eq "x"`:   `emails[type eq "work" and value eq "x"]`,
		`username eq null`:                      `not (userName pr)`,
		`a pr`:                                  ``,
		`title pr and (title pr and locale pr)`: `title pr and (title pr and locale pr)`,
		`urn:ietf:params:scim:schemas:core:2.0:user:title pr`: `title pr`,
		`meta.created gt "2011-05-13T04:42:34+02:00"`:         `meta.created gt "2011-05-13T02:42:34Z"`,
		strings.ToLower(acmeURN) + `:LEVEL eq 3`:              acmeURN + `:level eq 3`,
	} {
		f, err := ParseFilter(rt, text)
		if want == "" {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, want, f.String())
	}
	f, err := ParseFilter(rt, `meta.created gt "2011-05-13T04:42:34+02:00"`)
	require.NoError(t, err)
	require.Equal(t, time.Date(2011, 5, 13, 2, 42, 34, 0, time.UTC), f.(Compare).Value)
	f, err = ParseFilter(rt, `schemas eq "`+strings.ToUpper(ent)+`"`)
	require.NoError(t, err)
	require.Equal(t, Present{Path{Schema: ent}}, f)
	f, err = ParseFilter(rt, `schemas co "EXTENSION"`)
	require.NoError(t, err)
	require.Equal(t, Or{[]Filter{Present{Path{Schema: ent}}, Present{Path{Schema: acmeURN}}}}, f)
	f, err = ParseFilter(rt, acmeURN+`:tags[value eq "x"]`)
	require.NoError(t, err)
	inner := f.(ValuePath).Filter.(Compare)
	require.Equal(t, "value", inner.Path.Attribute.Name)
	require.Equal(t, TypeString, inner.Path.Attribute.Type)
	require.False(t, inner.Path.Attribute.MultiValued)
}

// randomFilter draws a filter as text. Only with exotic it uses what scim2/filter-parser v2.2.0 cannot read.
func randomFilter(rt *rapid.T, depth int, exotic bool) string {
	text := func() string {
		return string(appendString(nil, rapid.StringMatching(`[a-zA-Z0-9 .@)(]{0,6}`).Draw(rt, "text")))
	}
	op := func(ops ...string) string { return rapid.SampledFrom(ops).Draw(rt, "op") }
	all := []string{"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "EQ", "Ne"}
	inner := func() string {
		switch rapid.IntRange(0, 3).Draw(rt, "inner") {
		case 0:
			return `primary ` + op("eq", "ne") + ` true`
		case 1:
			return `display pr`
		default:
			return op("type", "VALUE") + " " + op(all...) + " " + text()
		}
	}
	kind := rapid.IntRange(0, 11).Draw(rt, "kind")
	if depth == 0 {
		kind %= 8
	}
	switch kind {
	case 0:
		return op("userName", "TITLE", "name.givenName", "emails", "emails.type", "externalId", UserSchema+":displayName", ent+":department", ent+":manager") + " " + op(all...) + " " + text()
	case 1:
		return op("userName", "emails", "name", "name.familyName", "nickName", ent+":manager.value") + " " + op("pr", "PR")
	case 2:
		return "active " + op("eq", "ne") + " " + op("true", "false")
	case 3:
		return "meta.created " + op("eq", "gt", "le", "ne") + ` "` + rapid.SampledFrom([]string{"2011-05-13T04:42:34Z", "2020-01-01T00:00:00.25+02:00"}).Draw(rt, "date") + `"`
	case 4:
		return op("title", "emails.value") + " " + op("eq", "ne") + " null"
	case 5:
		if !exotic {
			return "emails[" + inner() + "]"
		}
		return acmeURN + ":level " + op("eq", "ne", "gt", "le") + " " + fmt.Sprint(rapid.Float64Range(-1e30, 1e30).Draw(rt, "number"))
	case 6:
		if !exotic {
			return "emails[" + inner() + " " + op("and", "or", "AND") + " " + inner() + "]"
		}
		return "emails[" + inner() + " and (" + inner() + " or not (" + inner() + ")) or " + inner() + "]"
	case 7:
		if !exotic {
			return "emails[not (" + inner() + ")]"
		}
		return acmeURN + ":tags[value " + op(all...) + ` "\u00e9\n"]`
	case 8:
		return op("not ", "NOT", "") + "(" + randomFilter(rt, depth-1, exotic) + ")"
	case 9:
		return randomFilter(rt, depth-1, exotic) + " and " + randomFilter(rt, depth-1, exotic) + " AND " + randomFilter(rt, depth-1, exotic)
	default:
		return randomFilter(rt, depth-1, exotic) + op(" and ", " or ", " OR ") + randomFilter(rt, depth-1, exotic)
	}
}

func TestPropertyFilterPrintsWhatItParses(t *testing.T) {
	t.Parallel()
	rt, r := acmeType(t), someone(t)
	rapid.Check(t, func(d *rapid.T) {
		f, err := ParseFilter(rt, randomFilter(d, 2, true))
		require.NoError(d, err)
		again, err := ParseFilter(rt, f.String())
		require.NoError(d, err, f.String())
		require.Equal(d, f, again, f.String())
		require.Equal(d, f.Match(r), again.Match(r))
		require.Equal(d, !f.Match(r), Not{f}.Match(r))
	})
}

// TestPropertyFilterAgreesWithAnotherParser compares what scim2/filter-parser makes of a filter, where it can read it.
func TestPropertyFilterAgreesWithAnotherParser(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(d *rapid.T) {
		text := randomFilter(d, 2, false)
		e, err := filter.ParseFilterNumber([]byte(text))
		require.NoError(d, err, text)
		f, err := ParseFilter(UserType(), text)
		require.NoError(d, err, text)
		require.Equal(d, translated(d, e, ""), flat(f), text)
	})
}

// translated is the other parser's tree as ours, leaf by leaf.
func translated(d *rapid.T, e filter.Expression, parent string) Filter {
	switch e := e.(type) {
	case *filter.LogicalExpression:
		terms := []Filter{translated(d, e.Left, parent), translated(d, e.Right, parent)}
		if e.Operator == filter.OR {
			return flat(Or{terms})
		}
		return flat(And{terms})
	case *filter.NotExpression:
		return Not{translated(d, e.Expression, parent)}
	case *filter.ValuePath:
		whole, err := ParseFilter(UserType(), e.AttributePath.String()+"[value pr]")
		require.NoError(d, err)
		return ValuePath{whole.(ValuePath).Path, translated(d, e.ValueFilter, e.AttributePath.String())}
	case *filter.AttributeExpression:
		leaf := strings.TrimSuffix(e.AttributePath.URI(), ":")
		if leaf != "" {
			leaf += ":"
		}
		leaf += e.AttributePath.AttributeName
		if sub := e.AttributePath.SubAttributeName(); sub != "" {
			leaf += "." + sub
		}
		leaf += " " + string(e.Operator)
		switch v := e.CompareValue.(type) {
		case string:
			leaf += ` "` + v + `"` // its escapes are still in it
		case json.Number:
			leaf += " " + v.String()
		case bool:
			leaf += fmt.Sprint(" ", v)
		case nil:
			if e.Operator != filter.PR {
				leaf += " null"
			}
		}
		if parent != "" {
			f, err := ParseFilter(UserType(), parent+"["+leaf+"]")
			require.NoError(d, err, leaf)
			return f.(ValuePath).Filter
		}
		f, err := ParseFilter(UserType(), leaf)
		require.NoError(d, err, leaf)
		return f
	}
	panic(fmt.Sprintf("%T", e))
}

// flat takes brackets off that change nothing, which the other parser does not keep.
func flat(f Filter) Filter {
	switch f := f.(type) {
	case And:
		var out []Filter
		for _, t := range f.Terms {
			if and, ok := flat(t).(And); ok {
				out = append(out, and.Terms...)
			} else {
				out = append(out, flat(t))
			}
		}
		return And{out}
	case Or:
		var out []Filter
		for _, t := range f.Terms {
			if or, ok := flat(t).(Or); ok {
				out = append(out, or.Terms...)
			} else {
				out = append(out, flat(t))
			}
		}
		return Or{out}
	case Not:
		return Not{flat(f.Filter)}
	case ValuePath:
		return ValuePath{f.Path, flat(f.Filter)}
	}
	return f
}

func TestFilterTextNeverRunsWild(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"userName", " ", "eq", "\"x\"", "(", ")", "[", "]", "not", "and", "or", "pr", ".", "value", "emails", "\\", "\"", "1", "null", ent, ":"}
	for range 20_000 {
		var b strings.Builder
		for range r.IntN(12) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		if f, err := ParseFilter(UserType(), b.String()); err == nil {
			again, err := ParseFilter(UserType(), f.String())
			require.NoError(t, err, b.String())
			require.Equal(t, f, again, b.String())
		} else {
			requireError(t, err, InvalidFilter)
		}
	}
}
