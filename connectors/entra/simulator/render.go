package simulator

import (
	"net/http"
	"strings"
	"time"
)

// object is a resource as JSON.
type object = map[string]any

// selection resolves $select against a resource's properties; nil is the default set. The id is always there when it is
// selected or nothing is.
func selection(properties map[string]property, typeName string, q query, listing bool) ([]string, error) {
	if q.selected == nil {
		return nil, nil
	}
	names := make([]string, 0, len(q.selected))
	for _, wanted := range q.selected {
		name, p := canonical(properties, wanted)
		switch {
		case p.kind == kindNone:
			return nil, refuse(http.StatusBadRequest, "BadRequest",
				"Parsing OData Select and Expand failed: Could not find a property named '%s' on type 'microsoft.graph.%s'.", wanted, typeName)
		case p.single && listing: // graph/delta-query-overview shows this body
			return nil, refuse(http.StatusNotImplemented, "NotImplemented", "This operation target is not yet supported.")
		}
		names = append(names, name)
	}
	return names, nil
}

// canonical finds a property whatever the case in which it is written.
func canonical(properties map[string]property, name string) (string, property) {
	if p, exact := properties[name]; exact {
		return name, p
	}
	for candidate, p := range properties {
		if strings.EqualFold(candidate, name) {
			return candidate, p
		}
	}
	return name, property{}
}

// defaults are the properties returned without $select: of a user not accountEnabled (graph/api/user-list).
func defaults(properties map[string]property) []string {
	var names []string
	for name, p := range properties {
		if p.byDefault {
			names = append(names, name)
		}
	}
	return names
}

var (
	userDefaults  = defaults(userProperties)
	groupDefaults = defaults(groupProperties)
)

func (s *store) renderUser(u *user, names []string) object {
	if names == nil {
		names = userDefaults
	}
	out := make(object, len(names)+1)
	for _, name := range names {
		out[name] = s.userValue(u, name)
	}
	return out
}

// userValue is a property as it is answered; nil when it has no value.
func (s *store) userValue(u *user, name string) any {
	switch name {
	case "id":
		return u.ID
	case "createdDateTime":
		return dateTime(u.Created)
	case "deletedDateTime":
		if u.Deleted == nil {
			return nil
		}
		return dateTime(*u.Deleted)
	case "lastPasswordChangeDateTime":
		return dateTime(u.PasswordChanged)
	case "signInSessionsValidFromDateTime", "refreshTokensValidFromDateTime":
		return dateTime(s.sessionsValidFrom(u))
	case "passwordProfile": // never the password
		return object{"password": nil, "forceChangePasswordNextSignIn": u.ChangeNext, "forceChangePasswordNextSignInWithMfa": false}
	case "assignedLicenses":
		list := make([]any, 0, len(u.Licences))
		for _, l := range u.Licences {
			list = append(list, object{"skuId": l.SkuID, "disabledPlans": l.DisabledPlans})
		}
		return list
	case "licenseAssignmentStates":
		return licenceStates(u.Licences)
	case "proxyAddresses":
		if mail := u.text("mail"); mail != "" {
			return []any{"SMTP:" + mail}
		}
		return []any{}
	case "userPrincipalName":
		if u.Deleted != nil {
			// The name is free for others: the directory puts the object's id in front (microsoftgraph/msgraph-sdk-powershell#2256).
			return strings.ReplaceAll(u.ID, "-", "") + u.principalName()
		}
	}
	if value := u.Attributes[name]; value != nil {
		return value
	}
	if userProperties[name].kind == kindTexts {
		return []any{}
	}
	return nil
}

// sessionsValidFrom is the last revocation that has taken effect; without one, when the account was made.
func (s *store) sessionsValidFrom(u *user) time.Time {
	valid := u.Created
	for _, at := range u.Revocations {
		if !at.Add(s.options.RevocationLag).After(s.now()) && at.After(valid) {
			valid = at
		}
	}
	return valid
}

func renderGroup(g *group, names []string) object {
	if names == nil {
		names = groupDefaults
	}
	out := make(object, len(names)+1)
	for _, name := range names {
		out[name] = groupValue(g, name)
	}
	return out
}

func groupValue(g *group, name string) any {
	switch name {
	case "id":
		return g.ID
	case "createdDateTime":
		return dateTime(g.Created)
	}
	if value := g.Attributes[name]; value != nil {
		return value
	}
	if name == "groupTypes" {
		return []any{}
	}
	return nil
}

// context is the @odata.context of an answer.
func (c *call) context(set string, q query, entity bool) string {
	out := c.base + "/$metadata#" + set
	if q.selected != nil {
		out += "(" + strings.Join(q.selected, ",") + ")"
	}
	if entity {
		out += "/$entity"
	}
	return out
}
