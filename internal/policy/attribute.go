package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/tenurehq/tenure/internal/identity"
)

// attributes are the single-valued attributes of a person by their names in events and expressions.
var attributes = map[string]func(*identity.Attributes) string{
	"employeeId":        func(a *identity.Attributes) string { return a.EmployeeID },
	"givenName":         func(a *identity.Attributes) string { return a.GivenName },
	"familyName":        func(a *identity.Attributes) string { return a.FamilyName },
	"displayName":       func(a *identity.Attributes) string { return a.DisplayName },
	"email":             func(a *identity.Attributes) string { return a.Email },
	"userName":          func(a *identity.Attributes) string { return a.UserName },
	"workerType":        func(a *identity.Attributes) string { return a.WorkerType },
	"department":        func(a *identity.Attributes) string { return a.Department },
	"title":             func(a *identity.Attributes) string { return a.Title },
	"location":          func(a *identity.Attributes) string { return a.Location },
	"timeZone":          func(a *identity.Attributes) string { return a.TimeZone },
	"managerEmployeeId": func(a *identity.Attributes) string { return a.ManagerEmployeeID },
}

const customPrefix = "custom."

var attributeNames = strings.Join(sortedKeys(attributes), ", ") + " and custom.<name>"

func isAttribute(name string) bool {
	if _, ok := attributes[name]; ok {
		return true
	}
	return strings.HasPrefix(name, customPrefix) && len(name) > len(customPrefix)
}

// attributeText is the attribute's value when it is a string, else "".
func attributeText(a *identity.Attributes, name string) string {
	if get, ok := attributes[name]; ok {
		return get(a)
	}
	value, _ := a.Custom[strings.TrimPrefix(name, customPrefix)].(string)
	return value
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
