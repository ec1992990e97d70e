package simulator

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// kind is the type of a property.
type kind int

const (
	kindNone kind = iota // no such property
	kindText
	kindBool
	kindTime
	kindTexts   // a collection of strings
	kindObject  // a complex value
	kindObjects // a collection of complex values
)

// property is what graph/api/resources/user says of a property, and how graph/aad-advanced-queries lets it be filtered.
type property struct {
	kind      kind
	length    int  // most characters; 0 is no limit
	byDefault bool // returned without $select
	readOnly  bool
	// filters are the operators that work by default, and advanced those that need the advanced query parameters
	// ("ne", "not" and null always do).
	filters, advanced string
	// single is for what only GET /users/{id} returns; a listing answers 501 (graph/api/user-list).
	single bool
}

// usual are the operators that most properties have in the table of graph/aad-advanced-queries, some by default and
// others with the advanced query parameters.
const usual = "eq in startswith ge le"

var userProperties = map[string]property{
	"id":                              {kind: kindText, byDefault: true, readOnly: true, filters: "eq in"},
	"accountEnabled":                  {kind: kindBool, filters: "eq in"},
	"ageGroup":                        {kind: kindText, filters: "eq in"},
	"assignedLicenses":                {kind: kindObjects, readOnly: true, filters: "eq"},
	"businessPhones":                  {kind: kindTexts, byDefault: true, filters: "eq"},
	"city":                            {kind: kindText, length: 128, filters: usual},
	"companyName":                     {kind: kindText, length: 64, advanced: usual},
	"consentProvidedForMinor":         {kind: kindText, filters: "eq in"},
	"country":                         {kind: kindText, length: 128, filters: usual},
	"createdDateTime":                 {kind: kindTime, readOnly: true, filters: "eq ge le", advanced: "in"},
	"creationType":                    {kind: kindText, readOnly: true, filters: "eq in"},
	"deletedDateTime":                 {kind: kindTime, readOnly: true, filters: "eq ge le", advanced: "in"},
	"department":                      {kind: kindText, length: 64, filters: usual},
	"displayName":                     {kind: kindText, length: 256, byDefault: true, filters: usual},
	"employeeHireDate":                {kind: kindTime, advanced: usual},
	"employeeId":                      {kind: kindText, length: 16, filters: "eq in startswith", advanced: "ge le"},
	"employeeOrgData":                 {kind: kindObject},
	"employeeType":                    {kind: kindText, advanced: usual},
	"externalUserState":               {kind: kindText, readOnly: true, filters: "eq in"},
	"externalUserStateChangeDateTime": {kind: kindTime, readOnly: true},
	"faxNumber":                       {kind: kindText, length: 64, filters: usual},
	"givenName":                       {kind: kindText, length: 64, byDefault: true, filters: usual},
	"jobTitle":                        {kind: kindText, length: 128, byDefault: true, filters: usual},
	"lastPasswordChangeDateTime":      {kind: kindTime, readOnly: true},
	"licenseAssignmentStates":         {kind: kindObjects, readOnly: true},
	"mail":                            {kind: kindText, byDefault: true, filters: usual, advanced: "endswith"},
	"mailNickname":                    {kind: kindText, length: 64, filters: usual},
	"mobilePhone":                     {kind: kindText, length: 64, byDefault: true, advanced: usual},
	"officeLocation":                  {kind: kindText, length: 128, byDefault: true, advanced: usual},
	"onPremisesExtensionAttributes":   {kind: kindObject},
	"onPremisesImmutableId":           {kind: kindText, advanced: usual},
	"onPremisesSyncEnabled":           {kind: kindBool, readOnly: true, filters: "eq in"},
	"otherMails":                      {kind: kindTexts, filters: usual, advanced: "endswith"},
	"passwordPolicies":                {kind: kindText, advanced: "eq"},
	"passwordProfile":                 {kind: kindObject},
	"postalCode":                      {kind: kindText, length: 40, advanced: usual},
	"preferredLanguage":               {kind: kindText, byDefault: true, advanced: usual},
	"proxyAddresses":                  {kind: kindTexts, readOnly: true, filters: usual, advanced: "endswith"},
	"showInAddressList":               {kind: kindBool, advanced: "eq"},
	"signInSessionsValidFromDateTime": {kind: kindTime, readOnly: true},
	"refreshTokensValidFromDateTime":  {kind: kindTime, readOnly: true},
	"state":                           {kind: kindText, length: 128, filters: usual},
	"streetAddress":                   {kind: kindText, length: 1024, advanced: usual},
	"surname":                         {kind: kindText, length: 64, byDefault: true, filters: usual},
	"usageLocation":                   {kind: kindText, filters: usual},
	"userPrincipalName":               {kind: kindText, length: 113, byDefault: true, filters: usual, advanced: "endswith"},
	"userType":                        {kind: kindText, filters: "eq in"},

	"aboutMe":         {kind: kindText, single: true, readOnly: true},
	"birthday":        {kind: kindTime, single: true, readOnly: true},
	"hireDate":        {kind: kindTime, single: true, readOnly: true},
	"mailboxSettings": {kind: kindObject, single: true, readOnly: true},
	"skills":          {kind: kindTexts, single: true, readOnly: true},
}

var groupProperties = map[string]property{
	"id":                            {kind: kindText, byDefault: true, readOnly: true, filters: "eq in"},
	"createdDateTime":               {kind: kindTime, byDefault: true, readOnly: true},
	"deletedDateTime":               {kind: kindTime, byDefault: true, readOnly: true},
	"description":                   {kind: kindText, length: 1024, byDefault: true, advanced: usual},
	"displayName":                   {kind: kindText, length: 256, byDefault: true, filters: usual},
	"groupTypes":                    {kind: kindTexts, byDefault: true, filters: "eq"},
	"mail":                          {kind: kindText, byDefault: true, readOnly: true, filters: usual},
	"mailEnabled":                   {kind: kindBool, byDefault: true, filters: "eq"},
	"mailNickname":                  {kind: kindText, length: 64, byDefault: true, filters: usual},
	"membershipRule":                {kind: kindText, byDefault: true},
	"membershipRuleProcessingState": {kind: kindText, byDefault: true},
	"onPremisesSyncEnabled":         {kind: kindBool, byDefault: true, readOnly: true, filters: "eq"},
	"securityEnabled":               {kind: kindBool, byDefault: true, filters: "eq in"},
	"visibility":                    {kind: kindText, byDefault: true},
}

var principalNameForm = regexp.MustCompile(`^[A-Za-z0-9'._!#^~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)

// checkValue refuses what a property does not take. A text is never empty; null removes a value.
func checkValue(properties map[string]property, resource, name string, value any) error {
	p := properties[name]
	if p.kind == kindNone {
		return badRequest("Invalid property '%s'.", name)
	}
	if p.readOnly {
		return badRequest("Property '%s' is read-only and cannot be set.", name)
	}
	if value == nil {
		if name == "displayName" || name == "userPrincipalName" || name == "mailNickname" || name == "accountEnabled" || p.kind == kindTexts {
			return invalidValue(name, resource)
		}
		return nil
	}
	text, _ := value.(string)
	list, _ := value.([]any)
	switch {
	case !fits(p, value),
		name == "mailNickname" && strings.ContainsAny(text, "@ \t\"()<>[]:;,\\"),
		name == "businessPhones" && len(list) > 1: // graph/api/resources/user: only one number can be set
		return invalidValue(name, resource)
	case name == "userPrincipalName" && !principalNameForm.MatchString(text):
		return badRequest("Property userPrincipalName is invalid.")
	}
	return nil
}

func fits(p property, value any) bool {
	switch p.kind {
	case kindText:
		text, isText := value.(string)
		return isText && text != "" && (p.length == 0 || utf8.RuneCountInString(text) <= p.length)
	case kindBool:
		_, isBool := value.(bool)
		return isBool
	case kindTime:
		text, _ := value.(string)
		_, err := time.Parse(time.RFC3339, text)
		return err == nil
	case kindTexts:
		list, isList := value.([]any)
		return isList && !slices.ContainsFunc(list, func(v any) bool { text, isText := v.(string); return !isText || text == "" })
	case kindObject:
		_, isObject := value.(map[string]any)
		return isObject
	case kindObjects:
		_, isList := value.([]any)
		return isList
	case kindNone:
	}
	return false
}

// changedProperties are those whose change the changes of users tell. Memberships are changes of the group.
func changedProperties(old, u *user) map[string]bool {
	changed := map[string]bool{}
	for name := range userProperties {
		if !reflect.DeepEqual(old.Attributes[name], u.Attributes[name]) {
			changed[name] = true
		}
	}
	if !reflect.DeepEqual(old.Licences, u.Licences) {
		changed["assignedLicenses"], changed["licenseAssignmentStates"] = true, true
	}
	if old.Manager != u.Manager {
		changed["manager"] = true
	}
	if !old.PasswordChanged.Equal(u.PasswordChanged) {
		changed["lastPasswordChangeDateTime"] = true
	}
	if len(old.Revocations) != len(u.Revocations) {
		changed["signInSessionsValidFromDateTime"] = true
	}
	return changed
}
