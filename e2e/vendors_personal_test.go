package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/connectortest"
	"github.com/tenurehq/tenure/internal/identity"
)

// vendorGossip is what a vendor might say in an error, as it says it.
func vendorGossip(format, credential string, status int) connectortest.Fault {
	said := fmt.Sprintf("user Zyrianne Quibblethwaite <zq@canary.example>, Grand Zanzibarian (STAFF-CANARY-0), credential %s", credential)
	return connectortest.Answer(status, http.Header{"Content-Type": {"application/json"}, "Retry-After": {"1"}, "X-Trace": {said}},
		strings.ReplaceAll(format, "SAID", said))
}

// Through the failures of Entra ID and Okta, too, nothing personal and no credential leaves the database.
func TestNothingPersonalOfEntraAndOktaStandsInTemporalOrInTheLog(t *testing.T) {
	t.Parallel()
	v := newVendors(t, lags{})
	v.worker.kill()
	v.env = append(v.env, "TENURE_LOG_LEVEL=debug")
	v.worker = v.run("worker")
	const graph = `{"error": {"code": "Request_BadRequest", "message": "SAID", "innerError": {"message": "SAID", "request-id": "SAID"}}}`
	const oktas = `{"errorCode": "E0000001", "errorSummary": "SAID", "errorCauses": [{"errorSummary": "SAID"}]}`
	inGraph := func(status int) connectortest.Fault { return vendorGossip(graph, clientSecret, status) }
	inOkta := func(status int) connectortest.Fault { return vendorGossip(oktas, oktaToken, status) }

	first := v.send(identity.WorkerJoined, canary(0))
	v.quiet()
	inside := v.signIn("STAFF-CANARY-0")
	require.Len(t, inside(), 4)

	// Refusals for a while, answers that are none, and answers that are lost.
	v.entraProxy.SetRules(connectortest.Rule{Writes: true, Times: 1, Fault: inGraph(503)}, connectortest.Rule{Writes: true, Times: 1, Fault: inGraph(429)},
		connectortest.Rule{Writes: true, Times: 1, Fault: connectortest.DropAfter()})
	v.oktaProxy.SetRules(connectortest.Rule{Times: 1, Fault: connectortest.Rubbish(gossip)}, connectortest.Rule{Writes: true, Times: 1, Fault: inOkta(500)},
		connectortest.Rule{Writes: true, Times: 1, Fault: inOkta(429)})
	v.send(identity.WorkerJoined, canary(1))
	v.quiet()

	// Refusals for good.
	v.entraProxy.SetRules(connectortest.Rule{Method: http.MethodPost, Path: "/users$", Fault: inGraph(400)})
	v.oktaProxy.SetRules(connectortest.Rule{Method: http.MethodPost, Fault: inOkta(403)})
	refused := v.send(identity.WorkerJoined, canary(2))
	v.quiet()
	v.awaitFailed(refused) // the failures are what this test is about

	// A leave that is refused, until it is not.
	v.entraProxy.SetRules(connectortest.Rule{Writes: true, Fault: inGraph(403)})
	v.oktaProxy.SetRules(connectortest.Rule{Writes: true, Fault: inOkta(403)})
	left := v.send(identity.WorkerLeft, fact{"employeeId": "STAFF-CANARY-0", "immediate": true, "reason": gossip})
	v.eventually("the leave waits", func() bool { return len(v.runOf(left).working().Waiting) > 0 })
	v.entraProxy.SetRules()
	v.oktaProxy.SetRules()
	v.eventually("the leave gets through", func() bool { return len(inside()) == 0 })

	require.Contains(t, v.recordedErrors(), "Zyrianne Quibblethwaite", "the vendors' words stand in the database")
	for _, credential := range []string{clientSecret, oktaToken} {
		require.NotContains(t, v.recordedErrors(), credential, "but no credential, even there")
	}
	seen := v.requireNothingPersonalInTemporal()
	require.Contains(t, seen, first.Identity.String(), "what was looked at is not encoded")
	written, err := os.ReadFile(v.worker.log.Name())
	require.NoError(t, err)
	requireNothingPersonal(t, "the worker's log", string(written))
	require.Contains(t, string(written), "DEBUG")
}
