package lifecycle

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
)

func TestWhatMayEndSomebodysEmployment(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		kind  identity.EventType
		patch string
		want  bool
	}{
		"a leave":                                {identity.WorkerLeft, `{}`, true},
		"a rescission":                           {identity.WorkerRescinded, `{}`, true},
		"at once":                                {identity.WorkerChanged, `{"immediate":true}`, true},
		"a last day gone by":                     {identity.WorkerChanged, `{"lastDay":"2026-11-01"}`, true},
		"a contract that ends today":             {identity.WorkerChanged, `{"endDate":"2026-11-30"}`, true},
		"tomorrow, which may be today elsewhere": {identity.WorkerChanged, `{"lastDay":"2026-12-01"}`, true},
		"a contractor joins":                     {identity.WorkerJoined, `{"endDate":"2027-06-30"}`, false},
		"a contract without an end":              {identity.WorkerChanged, `{"endDate":null}`, false},
		"a move":                                 {identity.WorkerChanged, `{"department":"Sales"}`, false},
	} {
		var patch identity.Patch
		require.NoError(t, json.Unmarshal([]byte(test.patch), &patch))
		require.Equal(t, test.want, mayEnd(identity.Event{Type: test.kind, Patch: patch}, now), name)
	}
}
