package simulator

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
)

// MethodKind is a kind of authentication method, as its collection is called (graph/api/resources/authenticationmethods-overview).
type MethodKind string

// The kinds of authentication method that can be deleted.
const (
	PhoneMethod                   MethodKind = "phoneMethods"
	MicrosoftAuthenticatorMethod  MethodKind = "microsoftAuthenticatorMethods"
	FIDO2Method                   MethodKind = "fido2Methods"
	SoftwareOathMethod            MethodKind = "softwareOathMethods"
	EmailMethod                   MethodKind = "emailMethods"
	WindowsHelloForBusinessMethod MethodKind = "windowsHelloForBusinessMethods"
	PlatformCredentialMethod      MethodKind = "platformCredentialMethods"
	TemporaryAccessPassMethod     MethodKind = "temporaryAccessPassMethods"
)

const passwordMethods MethodKind = "passwordMethods"

// typeNames are the @odata.type of each kind.
var typeNames = map[MethodKind]string{
	PhoneMethod:                   "#microsoft.graph.phoneAuthenticationMethod",
	MicrosoftAuthenticatorMethod:  "#microsoft.graph.microsoftAuthenticatorAuthenticationMethod",
	FIDO2Method:                   "#microsoft.graph.fido2AuthenticationMethod",
	SoftwareOathMethod:            "#microsoft.graph.softwareOathAuthenticationMethod",
	EmailMethod:                   "#microsoft.graph.emailAuthenticationMethod",
	WindowsHelloForBusinessMethod: "#microsoft.graph.windowsHelloForBusinessAuthenticationMethod",
	PlatformCredentialMethod:      "#microsoft.graph.platformCredentialAuthenticationMethod",
	TemporaryAccessPassMethod:     "#microsoft.graph.temporaryAccessPassAuthenticationMethod",
	passwordMethods:               "#microsoft.graph.passwordAuthenticationMethod",
}

// The ids that are the same for all users (graph/api/phoneauthenticationmethod-delete, graph/api/passwordauthenticationmethod-get,
// graph/api/emailauthenticationmethod-get).
const (
	passwordMethodID = "28c10230-6103-485e-b985-444c60001490" //nolint:gosec // an id that the vendor publishes
	emailMethodID    = "3ddfcfc8-9383-446f-83cc-3ab9be4be18f"
)

var phoneIDs = map[string]string{
	"mobile":          "3179e48a-750b-4051-897c-87b9720928f7",
	"alternateMobile": "b6332ec1-7057-4abe-9331-3d72feddfe41",
	"office":          "e37fc753-ff3b-4958-9484-eaa9425c82bc",
}

// method is an authentication method beside the password.
type method struct {
	ID        string     `json:"id"`
	Kind      MethodKind `json:"kind"`
	PhoneType string     `json:"phoneType,omitempty"`
	Default   bool       `json:"default,omitempty"`
	Created   time.Time  `json:"created"`
}

// Method is an authentication method to add.
type Method struct {
	Kind MethodKind `json:"kind"`
	// PhoneType is "mobile", "alternateMobile" or "office" for a PhoneMethod, else empty.
	PhoneType string `json:"phoneType,omitempty"`
	// Default makes it the user's default method. An alternateMobile cannot be it here.
	Default bool `json:"default,omitempty"`
}

// AddMethod registers a method for the user, as the user would, and answers its id.
func (s *Simulator) AddMethod(userID string, m Method) (string, error) {
	added := method{ID: uuid.NewString(), Kind: m.Kind, PhoneType: m.PhoneType, Default: m.Default, Created: s.now()}
	switch {
	case m.Kind == passwordMethods || typeNames[m.Kind] == "":
		return "", fmt.Errorf("no authentication method of kind %q can be added", m.Kind)
	case m.Kind == PhoneMethod && phoneIDs[m.PhoneType] == "" || m.Kind != PhoneMethod && m.PhoneType != "":
		return "", fmt.Errorf("phone type %q does not fit kind %q", m.PhoneType, m.Kind)
	case m.PhoneType == "alternateMobile" && m.Default:
		return "", errors.New("an alternateMobile cannot be the default method")
	case m.Kind == PhoneMethod:
		added.ID = phoneIDs[m.PhoneType]
	case m.Kind == EmailMethod:
		added.ID = emailMethodID
	}
	err := s.store.update(userID, func(u *user) error {
		hasPhone := func(phoneType string) bool {
			return slices.ContainsFunc(u.Methods, func(other method) bool { return other.PhoneType == phoneType })
		}
		switch {
		case slices.ContainsFunc(u.Methods, func(other method) bool { return other.ID == added.ID }):
			return errors.New("the user has that method already")
		case m.PhoneType == "alternateMobile" && !hasPhone("mobile"):
			return errors.New("an alternateMobile needs a mobile")
		}
		for i := range u.Methods {
			u.Methods[i].Default = u.Methods[i].Default && !m.Default
		}
		u.Methods = append(u.Methods, added)
		return nil
	})
	return added.ID, err
}

func (m method) render() object {
	o := object{"@odata.type": typeNames[m.Kind], "id": m.ID, "createdDateTime": dateTime(m.Created)}
	switch m.Kind {
	case PhoneMethod:
		o["phoneNumber"], o["phoneType"], o["smsSignInState"] = "+1 2065555555", m.PhoneType, "notSupported"
	case FIDO2Method:
		o["displayName"], o["model"], o["attestationLevel"] = "Red key", "NFC key", "attested"
	case MicrosoftAuthenticatorMethod:
		o["displayName"], o["deviceTag"] = "Phone", "SoftwareTokenActivated"
	case WindowsHelloForBusinessMethod:
		o["displayName"], o["keyStrength"] = "Laptop", "normal"
	case PlatformCredentialMethod:
		o["displayName"], o["keyStrength"], o["platform"] = "Mac", "normal", "macOS"
	case EmailMethod:
		o["emailAddress"] = "recovery@example.com"
	case TemporaryAccessPassMethod:
		o["isUsable"], o["isUsableOnce"], o["lifetimeInMinutes"] = true, false, 60
	case SoftwareOathMethod:
		o["secretKey"] = nil
	case passwordMethods:
		o["password"] = nil
	}
	return o
}

// listMethods is graph/api/authentication-list-methods, and the list of one kind. The password is always among them.
// Query parameters are not supported.
func (s *Simulator) listMethods(c *call) (*reply, error) {
	wanted := MethodKind(c.id["kind"])
	if wanted != "" && typeNames[wanted] == "" {
		return nil, refuse(http.StatusBadRequest, "BadRequest", "Resource not found for the segment '%s'.", wanted)
	}
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	u, err := s.store.findUser(c.id["id"])
	if err != nil {
		return nil, err
	}
	all := append([]method{{ID: passwordMethodID, Kind: passwordMethods, Created: u.PasswordChanged}}, u.Methods...)
	values := []any{}
	for _, m := range all {
		if wanted == "" || wanted == m.Kind {
			values = append(values, m.render())
		}
	}
	return ok(object{"@odata.context": c.context("users('"+u.ID+"')/authentication/methods", query{}, false), "value": values}), nil
}

// deleteMethod is graph/api/phoneauthenticationmethod-delete and its siblings. The default method goes last
// (microsoftgraph/microsoft-graph-docs#14470), alternateMobile before mobile, the password never.
func (s *Simulator) deleteMethod(c *call) (*reply, error) {
	kind, id := MethodKind(c.id["kind"]), c.id["method"]
	switch {
	case kind == passwordMethods || kind == "methods": // graph/api/resources/passwordauthenticationmethod has no delete
		return nil, refuse(http.StatusMethodNotAllowed, codeBadRequest, "Specified HTTP method is not allowed for the request target.")
	case typeNames[kind] == "":
		return nil, refuse(http.StatusBadRequest, "BadRequest", "Resource not found for the segment '%s'.", kind)
	}
	err := s.store.update(c.id["id"], func(u *user) error {
		i := slices.IndexFunc(u.Methods, func(m method) bool { return m.Kind == kind && m.ID == id })
		switch {
		case i < 0:
			return refuse(http.StatusNotFound, "resourceNotFound", "The requested authentication method was not found.")
		case u.Methods[i].Default && len(u.Methods) > 1:
			return refuse(http.StatusBadRequest, "badRequest",
				"Cannot delete default method with other methods configured. Please change default method before deletion.")
		case u.Methods[i].PhoneType == "mobile" && slices.ContainsFunc(u.Methods, func(m method) bool { return m.PhoneType == "alternateMobile" }):
			return refuse(http.StatusBadRequest, "badRequest", "A mobile phone cannot be deleted while an alternateMobile phone exists.")
		}
		u.Methods = slices.Delete(u.Methods, i, i+1)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return noContent(), nil
}
