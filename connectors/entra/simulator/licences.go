package simulator

import (
	"slices"
	"strings"
)

func (s *Simulator) licence(skuID string) (Licence, bool) {
	i := slices.IndexFunc(s.options.Licences, func(l Licence) bool { return strings.EqualFold(l.SkuID, skuID) })
	if i < 0 {
		return Licence{}, false
	}
	return s.options.Licences[i], true
}

// assignLicense is graph/api/user-assignlicense.
func (s *Simulator) assignLicense(c *call) (*reply, error) {
	var body struct {
		Add    *[]assigned `json:"addLicenses"`
		Remove *[]string   `json:"removeLicenses"`
	}
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	for _, missing := range []struct {
		name string
		is   bool
	}{{"addLicenses", body.Add == nil}, {"removeLicenses", body.Remove == nil}} {
		if missing.is {
			return nil, badRequest("One or more parameters of the operation 'assignLicense' are missing from the request payload. "+
				"The missing parameters are: %s.", missing.name)
		}
	}
	var shown object
	err := s.store.update(c.id["id"], func(u *user) error {
		for _, skuID := range *body.Remove {
			i := slices.IndexFunc(u.Licences, func(l assigned) bool { return strings.EqualFold(l.SkuID, skuID) })
			if i < 0 {
				return badRequest("User does not have a corresponding license.")
			}
			u.Licences = slices.Delete(u.Licences, i, i+1)
		}
		for _, wish := range *body.Add {
			if err := s.addLicence(u, wish); err != nil {
				return err
			}
		}
		shown = s.store.renderUser(u, append([]string{"accountEnabled", "assignedLicenses"}, userDefaults...))
		return nil
	})
	if err != nil {
		return nil, err
	}
	shown["@odata.context"] = c.context("users", query{}, true)
	return ok(shown), nil
}

// addLicence needs a usage location (graph/api/resources/user, usageLocation) and a free seat.
func (s *Simulator) addLicence(u *user, wish assigned) error {
	l, known := s.licence(wish.SkuID)
	if !known {
		return badRequest("License %s does not correspond to a valid company License.", wish.SkuID)
	}
	if u.text("usageLocation") == "" {
		return badRequest("License assignment cannot be done for user with invalid usage location.")
	}
	wish.SkuID, wish.Updated = l.SkuID, s.now()
	if wish.DisabledPlans == nil {
		wish.DisabledPlans = []string{}
	}
	had := func(a assigned) bool { return a.SkuID == l.SkuID }
	if i := slices.IndexFunc(u.Licences, had); i >= 0 { // again: only the disabled plans change
		if !slices.Equal(u.Licences[i].DisabledPlans, wish.DisabledPlans) {
			u.Licences[i] = wish
		}
		return nil
	}
	taken := s.store.seats[l.SkuID]
	if before := s.store.users[u.ID]; before != nil && slices.ContainsFunc(before.Licences, had) {
		taken-- // this request removed it
	}
	if taken >= l.Seats {
		return badRequest("Subscription with SKU %s does not have any available licenses.", l.SkuID)
	}
	u.Licences = append(u.Licences, wish)
	return nil
}

// licenceStates is graph/api/resources/licenseassignmentstate. Licences of groups are not simulated, so that assignedByGroup
// is always null. For error that page says null when all is well, and the answer shown on
// entra/identity/users/licensing-powershell-graph-examples has the text None; so do the answers here.
func licenceStates(licences []assigned) []any {
	list := make([]any, 0, len(licences))
	for _, l := range licences {
		list = append(list, object{
			"skuId": l.SkuID, "disabledPlans": l.DisabledPlans, "assignedByGroup": nil, "state": "Active", "error": "None",
			"lastUpdatedDateTime": dateTime(l.Updated),
		})
	}
	return list
}

// listLicenseDetails is graph/api/user-list-licensedetails.
func (s *Simulator) listLicenseDetails(c *call) (*reply, error) {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	u, err := s.store.findUser(c.id["id"])
	if err != nil {
		return nil, err
	}
	values := []any{}
	for _, a := range u.Licences {
		l, _ := s.licence(a.SkuID)
		values = append(values, object{"id": encoded([]byte(u.ID[:8] + a.SkuID)), "skuId": a.SkuID, "skuPartNumber": l.SkuPartNumber, "servicePlans": []any{}})
	}
	return ok(object{"@odata.context": c.context("users('"+u.ID+"')/licenseDetails", c.query, false), "value": values}), nil
}

// listSubscribedSkus is graph/api/subscribedsku-list. It has no $filter and no paging.
func (s *Simulator) listSubscribedSkus(c *call) (*reply, error) {
	if c.query.filter != "" {
		return nil, badRequest("Query filter expressions are not supported.")
	}
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	values := []any{}
	for _, l := range s.options.Licences {
		values = append(values, object{
			"id": s.options.TenantID + "_" + l.SkuID, "skuId": l.SkuID, "skuPartNumber": l.SkuPartNumber, "appliesTo": "User",
			"capabilityStatus": "Enabled", "consumedUnits": s.store.seats[l.SkuID], "servicePlans": []any{},
			"prepaidUnits": object{"enabled": l.Seats, "suspended": 0, "warning": 0},
		})
	}
	return ok(object{"@odata.context": c.context("subscribedSkus", c.query, false), "value": values}), nil
}
