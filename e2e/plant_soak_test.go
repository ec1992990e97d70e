//go:build soak

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSoakAPlantCloses kills 500 people at once, by a list, and measures until all of tier 1 is read back; the goal is a
// minute on two processors, which have Temporal, Postgres and the targets on them, too.
func TestSoakAPlantCloses(t *testing.T) {
	const people, others = 500, 20
	s := serve(t, "30s", "60s") // as production has them: the second readings come when all are out
	s.awaitListens()
	s.importWorkers(t, people+others)
	s.within(10*time.Minute, "everybody has settled", func() bool { return s.settledJoiners() == people+others })

	var list strings.Builder
	for n := range people {
		fmt.Fprintln(&list, soakPerson(n)["employeeId"])
	}
	file := filepath.Join(t.TempDir(), "plant.txt")
	require.NoError(t, os.WriteFile(file, []byte(list.String()), 0o600))
	token, _, err := s.store.CreateToken(t.Context(), s.org, "soak", []string{"kill"}, time.Now().Add(time.Hour))
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), s.process.binary, "kill", "--file", file, "--count", fmt.Sprint(people), "--reason", "the plant is closed")
	command.Env = append(os.Environ(), "TENURE_URL="+s.k.url, "TENURE_TOKEN="+token)
	began := time.Now()
	output, err := command.CombinedOutput()
	require.NoError(t, err, string(output))
	t.Logf("the list was taken in %v", time.Since(began).Round(time.Millisecond))
	out := func() int {
		return one[int](s.world, `select count(*) from identities i where state = 'left' and exists (select from operations o where o.identity_id = i.id and o.tier = 1)
			and not exists (select from operations o where o.identity_id = i.id and o.tier = 1 and o.verified_at is null and o.status not in ('superseded', 'unsupported'))`)
	}
	s.within(5*time.Minute, "tier 1 of everybody is read back", func() bool { return out() == people })
	took := one[float64](s.world, `select extract(epoch from max(o.verified_at) - min(i.left_at))::float8 from identities i join operations o on o.identity_id = i.id
		where i.state = 'left' and o.tier = 1`)
	t.Logf("%d people were out of %d targets %.1f s after the first of them was killed", people, len(targetNames), took)
	for _, target := range targetNames {
		for _, u := range s.systems[target].Snapshot().Users {
			number, ok := u.Attributes["externalId"].(string)
			require.True(t, ok)
			require.Equal(t, number >= soakPerson(people)["employeeId"].(string), u.Enabled, "%s in %s", number, target)
		}
	}
}
