package simulator

import (
	"net/http"
	"net/mail"
	"strings"

	"github.com/google/uuid"
)

// initialDomain is the tenant's only verified domain that is told. The domain of a userPrincipalName is not checked
// against it.
const initialDomain = "simulated.onmicrosoft.com"

// createInvitation is graph/api/invitation-post. Inviting a guest again answers the same user.
func (s *Simulator) createInvitation(c *call) (*reply, error) {
	var body struct {
		Address     string `json:"invitedUserEmailAddress"`
		DisplayName string `json:"invitedUserDisplayName"`
		UserType    string `json:"invitedUserType"`
		RedirectURL string `json:"inviteRedirectUrl"`
		SendMessage bool   `json:"sendInvitationMessage"`
	}
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	if body.UserType == "" {
		body.UserType = "Guest"
	}
	if _, err := mail.ParseAddress(body.Address); err != nil {
		return nil, refuse(http.StatusBadRequest, "BadRequest", "The invited user email address is not valid.")
	}
	if body.RedirectURL == "" {
		return nil, refuse(http.StatusBadRequest, "BadRequest", "The invite redirect URL is required.")
	}
	if body.UserType != "Guest" && body.UserType != "Member" {
		return nil, refuse(http.StatusBadRequest, "BadRequest", "The invited user type is not valid.")
	}
	alias := strings.ReplaceAll(body.Address, "@", "_") + "#EXT#"
	displayName := body.DisplayName
	if displayName == "" {
		displayName, _, _ = strings.Cut(body.Address, "@")
	}
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	u := s.guest(alias + "@" + initialDomain)
	if u == nil {
		u = st.newUser(object{
			"userPrincipalName": alias + "@" + initialDomain, "mail": body.Address, "mailNickname": alias, "displayName": displayName,
			"userType": body.UserType, "accountEnabled": true, "creationType": "Invitation", "externalUserState": "PendingAcceptance",
			"externalUserStateChangeDateTime": dateTime(s.now()), "showInAddressList": false,
		})
		if err := st.save(u); err != nil {
			return nil, err
		}
	}
	return &reply{status: http.StatusCreated, body: object{
		"@odata.context": c.context("invitations", query{}, true), "id": uuid.NewString(),
		"inviteRedeemUrl":        strings.TrimSuffix(c.base, "/v1.0") + "/redeem?user=" + u.ID,
		"invitedUserDisplayName": body.DisplayName, "invitedUserType": body.UserType, "invitedUserEmailAddress": body.Address,
		"sendInvitationMessage": body.SendMessage, "resetRedemption": false, "inviteRedirectUrl": body.RedirectURL,
		"status": "PendingAcceptance", "invitedUser": object{"id": u.ID},
	}}, nil
}

// guest is the live user with the name, whether it shows yet or not.
func (s *Simulator) guest(principalName string) *user {
	for id := range s.store.index["userPrincipalName"][fold(principalName)] {
		return s.store.users[id]
	}
	return nil
}
