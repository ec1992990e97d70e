package entra

import (
	"context"
	"errors"
	"net/http"

	"github.com/tenurehq/tenure/connectors"
)

// skus reads the products that the tenant has (graph/api/subscribedsku-list), which has no filter and a few dozen entries.
func (c *Connector) skus(ctx context.Context, req call) ([]object, error) {
	req.method, req.template, req.query = http.MethodGet, "/subscribedSkus", map[string]string{"select": "id,skuId,skuPartNumber"}
	skus, err := c.client.all(ctx, req, maxMatches)
	if err != nil {
		return nil, err
	}
	for _, sku := range skus {
		if checkID(sku.text("skuId")) != nil || sku.text("skuPartNumber") == "" {
			return nil, req.rubbish(http.StatusOK, errors.New("a product has no skuId or no skuPartNumber"))
		}
	}
	return skus, nil
}

// findLicence resolves a licence by its skuPartNumber, such as SPE_E3.
func (c *Connector) findLicence(ctx context.Context, name string) (connectors.Entitlement, error) {
	req := call{action: "find licence", method: http.MethodGet}
	skus, err := c.skus(ctx, req)
	if err != nil {
		return connectors.Entitlement{}, err
	}
	sku, err := one(req, skus, name, func(o object) string { return o.text("skuPartNumber") })
	if err != nil {
		return connectors.Entitlement{}, err
	}
	return connectors.Entitlement{NativeID: sku.text("skuId"), Kind: kindLicence, Name: sku.text("skuPartNumber")}, nil
}

// licencesOf reads the licences that were assigned to the user itself. Those that come from a group name the group in
// licenseAssignmentStates, and can only be taken away with the membership (entra/fundamentals/concept-group-based-licensing).
func (c *Connector) licencesOf(ctx context.Context, nativeID string) ([]connectors.Entitlement, error) {
	req := userCall("read licences of account", nativeID)
	req.query = map[string]string{"select": "id,licenseAssignmentStates"}
	user, err := c.client.get(ctx, req)
	if err != nil {
		return nil, err
	}
	var grants []connectors.Entitlement
	for _, state := range user.objects("licenseAssignmentStates") {
		if state["assignedByGroup"] != nil {
			continue
		}
		id := state.text("skuId")
		name, err := c.names.get(kindLicence+id, func() (map[string]string, error) { return c.licenceNames(ctx, req) })
		if err != nil {
			return nil, err
		}
		if checkID(id) != nil || name == "" {
			return nil, req.rubbish(http.StatusOK, errors.New("the account has a licence that the tenant does not list"))
		}
		grants = append(grants, connectors.Entitlement{NativeID: id, Kind: kindLicence, Name: name})
	}
	return grants, nil
}

func (c *Connector) licenceNames(ctx context.Context, req call) (map[string]string, error) {
	req.object, req.ids = "", nil
	skus, err := c.skus(ctx, req)
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(skus))
	for _, sku := range skus {
		names[kindLicence+sku.text("skuId")] = sku.text("skuPartNumber")
	}
	return names, nil
}

// addLicence assigns a licence with all its plans (graph/api/user-assignlicense). Assigning it again changes nothing.
func (c *Connector) addLicence(nativeID, skuID string) (call, error) {
	return addLicences(nativeID, skuID)
}

// addLicences assigns several licences, all or none. Assigning them side by side would have two changes of one user compete.
func addLicences(nativeID string, skuIDs ...string) (call, error) {
	added := make([]any, 0, len(skuIDs))
	for _, id := range skuIDs {
		if _, err := assignLicense("assign licence", nativeID, id); err != nil {
			return call{}, err
		}
		added = append(added, map[string]any{"skuId": id, "disabledPlans": []any{}})
	}
	req, err := assignLicense("assign licence", nativeID, skuIDs[0])
	req.body = map[string]any{"addLicenses": added, "removeLicenses": []any{}}
	return req, err
}

func (c *Connector) removeLicence(ctx context.Context, nativeID, skuID string) error {
	req, err := assignLicense("remove licence", nativeID, skuID)
	if err != nil {
		return err
	}
	req.body = map[string]any{"addLicenses": []any{}, "removeLicenses": []any{skuID}}
	return c.client.write(ctx, req)
}

func assignLicense(action, nativeID, skuID string) (call, error) {
	req, err := entitlementCall(action, http.MethodPost, "/users/{user}/assignLicense", nativeID, skuID)
	req.accept = []int{http.StatusOK}
	return req, err
}
