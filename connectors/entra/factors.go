package entra

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/tenurehq/tenure/connectors"
)

// passwordMethod is the type that every user has and that cannot be deleted (graph/api/resources/passwordauthenticationmethod).
const passwordMethod = "#microsoft.graph.passwordAuthenticationMethod"

// methodKinds are the types of authentication methods and the segment under which each is deleted
// (graph/api/resources/authenticationmethods-overview), in the order in which they go. What replaces the others at a
// sign-in goes first; telephones go last, since one of them is most often the default method. Which one that is v1.0 does
// not tell; a default telephone cannot be deleted while it is that (graph/api/phoneauthenticationmethod-delete).
var methodKinds = []struct{ odataType, segment string }{
	{"#microsoft.graph.temporaryAccessPassAuthenticationMethod", "temporaryAccessPassMethods"},
	{"#microsoft.graph.fido2AuthenticationMethod", "fido2Methods"},
	{"#microsoft.graph.platformCredentialAuthenticationMethod", "platformCredentialMethods"},
	{"#microsoft.graph.windowsHelloForBusinessAuthenticationMethod", "windowsHelloForBusinessMethods"},
	{"#microsoft.graph.emailAuthenticationMethod", "emailMethods"},
	{"#microsoft.graph.softwareOathAuthenticationMethod", "softwareOathMethods"},
	{"#microsoft.graph.microsoftAuthenticatorAuthenticationMethod", "microsoftAuthenticatorMethods"},
	{"#microsoft.graph.phoneAuthenticationMethod", "phoneMethods"},
}

// phoneRanks order telephones: the alternate mobile cannot stay without the mobile (the same page).
var phoneRanks = map[string]int{"office": 0, "alternateMobile": 1, "mobile": 2}

// method is one authentication method of a user.
type method struct {
	id, segment, odataType string
	rank                   int
}

// kind is the type's name without what all types have in common.
func (m method) kind() string {
	return strings.TrimSuffix(strings.TrimPrefix(m.odataType, "#microsoft.graph."), "AuthenticationMethod")
}

// ResetFactors deletes every method but the password, one by one under its own type, since there is no call for all of
// them. A method that is refused for good holds up no other: that would leave a leaver with all that come after it. One that
// is refused while others are left, as the default one is, is tried once more when they have gone. The error is the first
// refusal of those that stay.
func (c *Connector) ResetFactors(ctx context.Context, nativeID string) error {
	left, err := c.factors(ctx, "list factors", nativeID)
	if err != nil {
		return err
	}
	for len(left) > 0 {
		var refused []method
		var refusal error
		for _, m := range left {
			err := c.deleteFactor(ctx, nativeID, m)
			switch kind := connectors.KindOf(err); {
			case err == nil, kind == connectors.KindNotFound:
			case kind.Permanent():
				refused, refusal = append(refused, m), cmp.Or(refusal, err)
			default:
				return err
			}
		}
		if len(refused) == len(left) {
			return refusal
		}
		left = refused
	}
	return nil
}

// deleteFactor deletes one method (graph/api/phoneauthenticationmethod-delete and its likes).
func (c *Connector) deleteFactor(ctx context.Context, nativeID string, m method) error {
	req := userCall("delete "+m.kind()+" factor", nativeID)
	if m.segment == "" {
		return req.fail(connectors.KindUnsupported, errors.New("this type of authentication method is not known: delete it by hand"))
	}
	req.method, req.accept = http.MethodDelete, []int{http.StatusNoContent}
	req.template = "/users/{user}/authentication/" + m.segment + "/{method}"
	req.ids["method"] = m.id
	_, err := c.client.do(ctx, req)
	return err
}

// FactorsReset counts what is left beside the password, in all and by kind.
func (c *Connector) FactorsReset(ctx context.Context, nativeID string) (bool, connectors.Evidence, error) {
	left, err := c.factors(ctx, "list factors", nativeID)
	if err != nil {
		return false, nil, err
	}
	counts := connectors.Evidence{"left": len(left)}
	for _, m := range left {
		n, _ := counts[m.kind()].(int)
		counts[m.kind()] = n + 1
	}
	return len(left) == 0, counts, nil
}

// factors lists the methods but the password, in the order in which they can be deleted (graph/api/authentication-list-methods,
// which takes no query options).
func (c *Connector) factors(ctx context.Context, action, nativeID string) ([]method, error) {
	req := userCall(action, nativeID)
	req.template += "/authentication/methods"
	listed, err := c.client.all(ctx, req, maxMatches)
	if err != nil {
		return nil, err
	}
	var out []method
	for _, o := range listed {
		m := method{id: o.text("id"), odataType: o.text("@odata.type"), rank: -10}
		if m.odataType == passwordMethod {
			continue
		}
		if m.odataType == "" || checkID(m.id) != nil {
			return nil, req.rubbish(http.StatusOK, errors.New("an authentication method has no type or no id"))
		}
		for rank, kind := range methodKinds {
			if kind.odataType == m.odataType {
				m.segment, m.rank = kind.segment, 10*rank+phoneRanks[o.text("phoneType")]
			}
		}
		out = append(out, m)
	}
	slices.SortStableFunc(out, func(a, b method) int { return cmp.Compare(a.rank, b.rank) })
	return out, nil
}
