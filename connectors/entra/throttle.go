package entra

import (
	"net/http"
	"strconv"
	"time"

	"github.com/tenurehq/tenure/connectors"
)

// What Graph takes from one application in one tenant (graph/throttling-limits, "Identity and access service limits"): units
// of the smallest size of tenant, since nothing says how large this one is, and writes.
var (
	unitLimit  = connectors.Limit{Requests: 3500, Per: 10 * time.Second}
	writeLimit = connectors.Limit{Requests: 3000, Per: 150 * time.Second}
)

// baseUnits are the requests with a base cost other than 1 (the same page), as far as they are made here. What holds of /me
// holds of one user.
var baseUnits = map[string]int{
	"/users": 2, "/users/{user}/memberOf": 2, "/users/{user}/transitiveMemberOf": 2, "/subscribedSkus": 3,
}

// units are what a request costs.
func (c call) units() int {
	units := 1
	if base := baseUnits[c.template]; base > 0 && !c.writes() {
		units = base
	}
	if _, selects := c.query["select"]; selects {
		units--
	}
	if _, expands := c.query["expand"]; expands {
		units++
	}
	if top, err := strconv.Atoi(c.query["top"]); err == nil && top < 20 {
		units--
	}
	return max(units, 1)
}

// charge is what a call counts for. The steps of a batch count as if they had been sent alone (graph/throttling, "Throttling
// and batching"). A token, which the SDK asks for about once an hour, goes with the call that needs it.
func (c call) charge() connectors.Charge {
	counted := c.steps
	if counted == nil {
		counted = []call{c}
	}
	units, writes := 0, 0
	for _, step := range counted {
		units += step.units()
		if step.writes() {
			writes++
		}
	}
	return connectors.Charge{Requests: len(counted), Published: []connectors.Cost{{Limit: unitLimit, Units: units}, {Limit: writeLimit, Units: writes}}}
}

// The headers in which Graph tells of its limits (graph/throttling-limits, "Regular responses requests"). The share comes
// only when more than 0.8 of the limit is used up, and is 1.8 at most.
const (
	headerUnits = "X-Ms-Resource-Unit"
	headerUsed  = "X-Ms-Throttle-Limit-Percentage"
	usedALot    = 0.8
)

// told is what an answer says of Graph's limits. Which limit the share is of it does not say, so that joiners and movers
// pause for as long as units take to become fewer: the nearer the end, the slower.
func (c call) told(status int, header http.Header) connectors.Told {
	t := connectors.Told{Everywhere: true}
	if status == http.StatusTooManyRequests {
		if t.Stop = retryAfter(header, time.Now()); t.Stop == 0 {
			t.Stop = defaultRetryAfter
		}
	}
	if used, err := strconv.ParseFloat(header.Get(headerUsed), 64); err == nil && used > usedALot && used < 2 {
		t.Ease = time.Duration((used - usedALot) * float64(unitLimit.Per))
	}
	if units, err := strconv.Atoi(header.Get(headerUnits)); err == nil && units > c.units() && units < unitLimit.Requests && c.steps == nil {
		t.Extra = []connectors.Cost{{Limit: unitLimit, Units: units - c.units()}}
	}
	return t
}
