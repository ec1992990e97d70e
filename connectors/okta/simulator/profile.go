package simulator

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// defaultAttributes are the attributes of the default profile (Users API: Default Profile properties). All of them are texts.
var defaultAttributes = map[string]bool{
	"login": true, "email": true, "secondEmail": true, "firstName": true, "lastName": true, "middleName": true,
	"honorificPrefix": true, "honorificSuffix": true, "title": true, "displayName": true, "nickName": true, "profileUrl": true,
	"primaryPhone": true, "mobilePhone": true, "streetAddress": true, "city": true, "state": true, "zipCode": true,
	"countryCode": true, "postalAddress": true, "preferredLanguage": true, "locale": true, "timezone": true, "userType": true,
	"employeeNumber": true, "costCenter": true, "organization": true, "division": true, "department": true, "managerId": true,
	"manager": true,
}

// length is how many characters an attribute may have, and that it must be there (Users API: Default Profile properties).
type length struct{ least, most int }

var required = map[string]length{"login": {5, 100}, "email": {5, 100}, "firstName": {1, 50}, "lastName": {1, 50}}

// checkProfile finds what is wrong with a complete profile; nil when nothing is. The login must be unique whatever its
// case and diacritical marks, and must look like an address (Users API: Okta login).
func (s *Simulator) checkProfile(profile map[string]any, self string) error {
	var fields, causes []string
	fail := func(field, cause string) {
		fields, causes = append(fields, field), append(causes, cause)
	}
	for _, name := range slices.Sorted(maps.Keys(profile)) {
		value := profile[name]
		_, isText := value.(string)
		switch {
		case !defaultAttributes[name] && !s.custom[name]:
			fail(name, fmt.Sprintf("Property '%s' not found", name))
		case defaultAttributes[name] && !isText:
			fail(name, name+": The value must be of type string")
		}
	}
	for _, name := range []string{"login", "email", "firstName", "lastName"} {
		text, _ := profile[name].(string)
		n := utf8.RuneCountInString(text)
		switch {
		case n == 0:
			fail(name, name+": The field cannot be left blank")
		case n < required[name].least || n > required[name].most:
			fail(name, fmt.Sprintf("%s: The field must be %d to %d characters long", name, required[name].least, required[name].most))
		}
	}
	if login, _ := profile["login"].(string); login != "" {
		if !isAddress(login) {
			fail("login", "login: Username must be in the form of an email address")
		}
		if other, ok := s.store.byLogin[fold(login)]; ok && other != self {
			fail("login", taken("login"))
		}
	}
	if email, _ := profile["email"].(string); email != "" && !isAddress(email) {
		fail("email", "email: Does not match required pattern")
	}
	if len(fields) == 0 {
		return nil
	}
	return invalid(fields[0], causes...)
}

func isAddress(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && domain != "" && !strings.ContainsAny(s, " \t\r\n") && !strings.Contains(domain, "@")
}

// withoutNulls is the profile as it is kept: null and nothing are the same.
func withoutNulls(profile map[string]any) map[string]any {
	out := make(map[string]any, len(profile))
	for name, value := range profile {
		if value != nil {
			out[name] = value
		}
	}
	return out
}

const (
	leastPassword = 8
	mostPassword  = 72
)

// checkPassword applies the default password policy (Users API: Default Password Policy): 8 to 72 characters, with upper
// and lower case and a digit, and no part of the login of at least 4 characters, the top-level domain left out.
func checkPassword(password, login string) error {
	upper, lower, digit := false, false, false
	for _, r := range password {
		upper, lower, digit = upper || unicode.IsUpper(r), lower || unicode.IsLower(r), digit || unicode.IsDigit(r)
	}
	n := utf8.RuneCountInString(password)
	ok := upper && lower && digit && n >= leastPassword && n <= mostPassword
	parts := strings.FieldsFunc(login, func(r rune) bool { return strings.ContainsRune(",._#@-", r) })
	if len(parts) > 1 {
		parts = parts[:len(parts)-1]
	}
	for _, part := range parts {
		if len(part) >= 4 && strings.Contains(strings.ToLower(password), strings.ToLower(part)) {
			ok = false
		}
	}
	if ok {
		return nil
	}
	return invalid("password", "password: Password requirements were not met. Password requirements: at least 8 characters, a lowercase letter, "+
		"an uppercase letter, a number, no parts of your username.")
}
