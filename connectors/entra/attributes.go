package entra

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/tenurehq/tenure/connectors"
)

// readAlways are the properties that every read of a user selects beside id and accountEnabled: those that a wish may
// name. Properties that need permissions or licences of their own (employeeLeaveDateTime, mailboxSettings,
// signInActivity) and those that live in SharePoint are not among them (graph/api/resources/user); the setting attributes
// adds to them.
var readAlways = []string{
	"userPrincipalName", "displayName", "mailNickname", "mail", "givenName", "surname",
	"jobTitle", "department", "companyName", "employeeId", "employeeType", "employeeHireDate", "employeeOrgData",
	"officeLocation", "streetAddress", "city", "state", "postalCode", "country",
	"businessPhones", "mobilePhone", "faxNumber", "otherMails",
	"preferredLanguage", "usageLocation", "userType", "ageGroup", "consentProvidedForMinor",
	"onPremisesExtensionAttributes", "onPremisesSyncEnabled",
}

// The keys of the manager, which is no property but a reference to another user.
const (
	attributeManager   = "manager"    // by userPrincipalName
	attributeManagerID = "manager.id" // by object id
)

// expandManager shows the whole manager, of which two properties are needed. A $select inside $expand is documented not to be
// supported for relationships of directory objects (developer.microsoft.com/graph/known-issues, "Some limitations apply to
// query parameters"), but with $levels (graph/api/user-list-manager); that is refused for listings, and asks the search
// index, which is behind, where reading back needs the directory.
const expandManager = "manager"

// indexOnly are properties for which even equality is an advanced query (graph/aad-advanced-queries, "user properties"). The
// index that serves those is behind, so that a look-up before a create would miss an account and make it twice.
var indexOnly = []string{
	"companyName", "employeeHireDate", "employeeType", "mobilePhone", "officeLocation", "postalCode", "preferredLanguage", "streetAddress",
	"employeeOrgData",
}

// collections are emptied by an empty list; null is refused.
var collections = []string{"businessPhones", "otherMails"}

// namePattern takes a property, or a part of a complex one.
var namePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)?$`)

// reserved are the properties that have methods of their own.
func reserved(name string) bool {
	switch top, _, _ := strings.Cut(name, "."); top {
	case "id", "accountEnabled", "passwordProfile", "deletedDateTime":
		return true
	}
	return false
}

// selection is the $select of every read of a user. The manager is none of the properties that it takes.
func (c *Connector) selection() string {
	return strings.Join(slices.Concat([]string{"id", "accountEnabled"}, readAlways, c.settings.attributes), ",")
}

// userQuery is the query of every read of a user that shows the whole account. It asks for the manager only where one is
// mapped: that costs a unit more (graph/throttling-limits), and shows what the application need not know.
func (c *Connector) userQuery() map[string]string {
	query := map[string]string{"select": c.selection()}
	if c.settings.manager {
		query["expand"] = expandManager
	}
	return query
}

// accountOf reads a user. Null and the empty list are how Graph says that there is no value, so that they are left out.
func accountOf(user object) (connectors.Account, error) {
	account := connectors.Account{NativeID: user.text("id"), Attributes: map[string]any{}}
	if account.NativeID == "" {
		return connectors.Account{}, errors.New("the user has no id")
	}
	enabled, known := user["accountEnabled"].(bool)
	if !known {
		return connectors.Account{}, errors.New("the user does not show accountEnabled")
	}
	account.Enabled = enabled
	for name, value := range user {
		if strings.Contains(name, "@") || reserved(name) || name == attributeManager {
			continue
		}
		put(account.Attributes, name, value)
	}
	if manager, ok := user[attributeManager].(map[string]any); ok {
		put(account.Attributes, attributeManager, manager["userPrincipalName"])
		put(account.Attributes, attributeManagerID, manager["id"])
	}
	return account, nil
}

// put stores a value, the parts of a complex one each under its own key.
func put(attributes map[string]any, name string, value any) {
	switch v := value.(type) {
	case nil:
	case []any:
		if len(v) > 0 {
			attributes[name] = v
		}
	case map[string]any:
		for part, inner := range v {
			if inner != nil && !strings.Contains(part, "@") {
				attributes[name+"."+part] = inner
			}
		}
	default:
		attributes[name] = value
	}
}

// userOf reads the account from an answer that holds a user.
func userOf(c call, user object) (connectors.Account, error) {
	account, err := accountOf(user)
	if err != nil {
		return connectors.Account{}, c.rubbish(http.StatusOK, err)
	}
	return account, nil
}

// wish is a set of attributes, checked: what goes into the user's own properties, and the manager.
type wish struct {
	properties map[string]any
	manager    *managerWish
}

// managerWish names a manager one way or the other, or none.
type managerWish struct {
	id, principalName string
}

func (c *Connector) parseWish(attributes map[string]any) (wish, error) {
	w := wish{properties: map[string]any{}}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		value := attributes[name]
		if value == "" {
			value = nil // Graph refuses empty texts
		}
		if name == attributeManager || name == attributeManagerID {
			if !c.settings.manager {
				return wish{}, errNoManager
			}
			if err := w.setManager(name, value); err != nil {
				return wish{}, err
			}
			continue
		}
		if err := c.settings.checkName(name); err != nil {
			return wish{}, err
		}
		if value == nil && slices.Contains(collections, name) {
			value = []any{}
		}
		if err := w.set(name, value); err != nil {
			return wish{}, err
		}
	}
	return w, nil
}

// errNoManager is the refusal of a manager that no reading back could prove.
var errNoManager = errors.New("manager is not read by this target: add it to the setting attributes")

// checkName refuses what a read would not show: no reading back could ever prove it.
func (s *settings) checkName(name string) error {
	top, _, _ := strings.Cut(name, ".")
	switch {
	case !namePattern.MatchString(name):
		return fmt.Errorf("%q is no attribute: a property of the user, or a part of one such as employeeOrgData.division", name)
	case reserved(name):
		return fmt.Errorf("%s is not an attribute to map", top)
	case !slices.Contains(readAlways, top) && !slices.Contains(s.attributes, top):
		return fmt.Errorf("%s is not read by this target: add it to the setting attributes", top)
	}
	return nil
}

func (w *wish) set(name string, value any) error {
	if _, whole := value.(map[string]any); whole {
		return fmt.Errorf("%s is given whole: give its parts, such as %s.name, as they are read", name, name)
	}
	top, part, nested := strings.Cut(name, ".")
	if !nested {
		w.properties[top] = value
		return nil
	}
	parts, known := w.properties[top].(map[string]any)
	if _, given := w.properties[top]; given && !known {
		return fmt.Errorf("%s is given whole and in parts", top)
	}
	if !known {
		parts = map[string]any{}
		w.properties[top] = parts
	}
	parts[part] = value
	return nil
}

func (w *wish) setManager(name string, value any) error {
	s, isText := value.(string)
	switch {
	case w.manager != nil:
		return errors.New("the manager is given as manager and as manager.id")
	case value == nil:
		w.manager = &managerWish{}
	case !isText:
		return fmt.Errorf("%s must be text", name)
	case name == attributeManager && guidPattern.MatchString(s):
		return errors.New("manager is a userPrincipalName: give an object id as manager.id")
	case name == attributeManager:
		w.manager = &managerWish{principalName: s}
	case checkID(s) != nil:
		return errors.New("manager.id must be an object id")
	default:
		w.manager = &managerWish{id: s}
	}
	return nil
}

// checkLookup refuses what no equality of a user's property finds for certain.
func (s *settings) checkLookup(attribute string) error {
	if err := s.checkName(attribute); err != nil {
		return err
	}
	if top, _, _ := strings.Cut(attribute, "."); slices.Contains(collections, top) || slices.Contains(indexOnly, top) {
		return fmt.Errorf("accounts cannot be looked up by %s for certain: correlate by employeeId, userPrincipalName, mail or an extension", attribute)
	}
	return nil
}

// filterOf writes an equality of an attribute and a value.
func (s *settings) filterOf(attribute, value string) (string, error) {
	if err := s.checkLookup(attribute); err != nil {
		return "", err
	}
	return strings.ReplaceAll(attribute, ".", "/") + " eq " + quote(value), nil
}
