package api_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/api"
	"github.com/tenurehq/tenure/internal/policy"
)

func TestPolicyOfATargetThatCannotBe(t *testing.T) {
	t.Parallel()
	h := startWith(t, func(o *api.Options) {
		o.CheckTarget = func(target policy.Target) []policy.TargetFault {
			if _, has := target.Settings["baseUrll"]; has {
				return []policy.TargetFault{{Key: "settings.baseUrll", Err: errors.New("there is no such setting")}}
			}
			return nil
		}
	})
	acme := h.org("acme")
	body := func(text string) string { return fmt.Sprintf(`{"from":0,"files":[{"name":"p.yaml","data":%q}]}`, text) }
	preview := func(text string) string { return strings.Replace(body(text), `"from":0,`, "", 1) }
	wrong := strings.Replace(policyOf("acme"), `{baseUrl: "http://127.0.0.1:1", token: env:X}`, "\n      baseUrll: x", 1)
	above, _, found := strings.Cut(wrong, "baseUrll")
	require.True(t, found)
	for _, answer := range []answer{h.post("/v1/policy/preview", acme.admin, preview(wrong)), h.post("/v1/policy", acme.admin, body(wrong))} {
		answer.is(http.StatusUnprocessableEntity)
		require.Equal(t, "targets[crm].settings.baseUrll", answer.text("errors.0.field"))
		require.Equal(t, "p.yaml", answer.text("errors.0.file"))
		require.InDelta(t, 1+strings.Count(above, "\n"), answer.get("errors.0.line"), 0)
		require.Contains(t, answer.text("detail"), "there is no such setting")
	}
	require.InDelta(t, 0, h.get("/v1/policy", acme.read).is(http.StatusOK).get("version"), 0, "nothing was applied")
	h.post("/v1/policy", acme.admin, body(policyOf("acme"))).is(http.StatusOK)
}
