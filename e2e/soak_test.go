//go:build soak

package e2e

import (
	"encoding/csv"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/testkit"
)

const (
	// joinersVariable makes the soak smaller, to try it.
	joinersVariable = "TENURE_SOAK_JOINERS"
	soakJoiners     = 10_000
	// The bounds of the memory of `tenure serve`, in MiB, however many joiners are queued.
	soakResident = 512
	soakHeap     = 256
	// soakTierOne is the goal for a leave while all the others are queued.
	soakTierOne = 2 * time.Second
)

// serving is `tenure serve`, as production runs it, and what it serves.
type serving struct {
	*world
	k       *killable // for its HTTP calls
	process *program
}

// serve starts `tenure serve` on a world without a worker. It reports its garbage collections.
func serve(t *testing.T, attemptTimeout, settleLag string) *serving {
	t.Helper()
	binary := buildTenure(t)
	w := newWorld(t, settings{idle: true, attemptTimeout: attemptTimeout, settleLag: settleLag, blockBudget: "2m"})
	token, _, err := w.store.CreateToken(t.Context(), w.org, "soak", []string{"hr"}, time.Now().Add(6*time.Hour))
	require.NoError(t, err)
	listen := freeAddress(t)
	log, err := os.CreateTemp(t.TempDir(), "serve")
	require.NoError(t, err)
	s := &serving{world: w, k: &killable{t: t, world: w, url: "http://" + listen, token: token}}
	s.process = &program{t: t, binary: binary, command: "serve", log: log, env: append(os.Environ(), "DATABASE_URL="+w.db.Serve,
		"TEMPORAL_ADDRESS="+testkit.Temporal(t), "TEMPORAL_NAMESPACE="+testkit.TemporalNamespace, "TENURE_LISTEN="+listen,
		"TENURE_TASK_QUEUE="+w.queue, "TENURE_LOG_LEVEL=warn", "GODEBUG=gctrace=1")}
	s.process.start()
	t.Cleanup(s.process.kill)
	return s
}

func (s *serving) awaitListens() {
	s.t.Helper()
	s.within(time.Minute, "tenure serve listens", func() bool {
		connection, err := net.Dial("tcp", strings.TrimPrefix(s.k.url, "http://"))
		if err == nil {
			_ = connection.Close()
		}
		return err == nil
	})
}

// importWorkers sends the joiners as `tenure import` does, all at once.
func (s *serving) importWorkers(t *testing.T, n int) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "workers.csv"))
	require.NoError(t, err)
	out := csv.NewWriter(file)
	columns := []string{"employeeId", "givenName", "familyName", "displayName", "workerType", "department", "title", "startDate"}
	require.NoError(t, out.Write(columns))
	for i := range n {
		worker, row := soakPerson(i), make([]string, len(columns))
		for c, name := range columns {
			row[c] = worker[name].(string)
		}
		require.NoError(t, out.Write(row))
	}
	out.Flush()
	require.NoError(t, out.Error())
	require.NoError(t, file.Close())
	began := time.Now()
	command := exec.CommandContext(t.Context(), s.process.binary, "import", file.Name(), "--source", "hr")
	command.Env = append(os.Environ(), "TENURE_URL="+s.k.url, "TENURE_TOKEN="+s.k.token)
	output, err := command.CombinedOutput()
	require.NoError(t, err, string(output))
	t.Logf("%d workers imported in %v", n, time.Since(began).Round(time.Millisecond))
}

func soakPerson(n int) fact {
	p := person(n)
	p["employeeId"] = fmt.Sprintf("S%05d", n)
	p["familyName"] = fmt.Sprintf("Soak%05d", n)
	p["displayName"] = fmt.Sprintf("Given Soak%05d", n)
	return p
}

// TestSoakTenThousandJoiners imports ten thousand joiners at once. The memory of `tenure serve` stays within bounds, and
// people who leave meanwhile, settled ones and queued ones in turn, are out in two seconds.
func TestSoakTenThousandJoiners(t *testing.T) {
	joiners := soakJoiners
	if n, err := strconv.Atoi(os.Getenv(joinersVariable)); err == nil {
		joiners = n
	}
	s := serve(t, "10s", "1s")
	s.awaitListens()
	s.importWorkers(t, joiners)
	began := time.Now()
	var took []time.Duration
	const leavers = 9
	for i := range leavers {
		s.within(10*time.Minute, "the next tenth has settled", func() bool { return s.settledJoiners() >= (i+1)*joiners/(leavers+1) })
		took = append(took, s.leaveInTheMiddle(i%2 == 1))
		t.Logf("%d of %d settled: a leaver (queued: %t) was out in %v; resident at most %d MiB, heap at most %d MiB", s.settledJoiners(), joiners, i%2 == 1,
			took[i].Round(time.Millisecond), s.resident(), s.heap())
	}
	s.within(10*time.Minute, "everybody has settled or left", func() bool { return s.settledJoiners() >= joiners-leavers })
	t.Logf("%d joiners settled in %v, %.1f a second; slowest leaver %v; resident at most %d MiB, heap at most %d MiB", joiners,
		time.Since(began).Round(time.Second), float64(joiners)/time.Since(began).Seconds(), slices.Max(took).Round(time.Millisecond), s.resident(), s.heap())
	for _, target := range targetNames {
		enabled := 0
		for _, u := range s.systems[target].Snapshot().Users {
			if u.Enabled {
				enabled++
			}
		}
		require.Equal(t, joiners-leavers, enabled, target)
	}
	require.Less(t, slices.Max(took), soakTierOne)
	require.Less(t, s.resident(), soakResident)
	require.Less(t, s.heap(), soakHeap)
}

// settledJoiners counts those who have everything.
func (s *serving) settledJoiners() int {
	return one[int](s.world, `select count(*) from identities where state = 'active' and settled_version >= version`)
}

// leaveInTheMiddle has somebody leave, settled or queued, and answers how long it took until tier 1 was read back
// everywhere, or until the run found that there was nothing to take away.
func (s *serving) leaveInTheMiddle(queued bool) time.Duration {
	s.t.Helper()
	employee := one[string](s.world, `select attributes->>'employeeId' from identities where state = 'active'
		and (settled_version = 0) = $1 order by random() limit 1`, queued)
	sent := time.Now()
	s.k.post(s.k.cloudEvent(2, "worker.left", fact{"employeeId": employee, "immediate": true}))
	var at *time.Time
	s.within(2*time.Minute, "tier 1 is verified", func() bool {
		at = one[*time.Time](s.world, `select case when count(o.id) = 0 then case when i.settled_version >= i.version then i.settled_at end
				when count(o.id) filter (where o.status not in ('verified', 'confirmed', 'unsupported')) = 0 then max(o.verified_at) end
			from identities i left join operations o on o.org = i.org and o.identity_id = i.id and o.tier = 1 and o.status <> 'superseded'
			where i.attributes->>'employeeId' = $1 group by i.settled_version, i.version, i.settled_at`, employee)
		return at != nil
	})
	return at.Sub(sent)
}

// resident is the most memory that the process has had, in MiB.
func (s *serving) resident() int {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.running.Process.Pid))
	require.NoError(s.t, err)
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	require.NotNil(s.t, found)
	return atoi(s.t, string(found[1])) >> 10
}

// heap is the largest Go heap that a garbage collection has met, in MiB.
func (s *serving) heap() int {
	s.t.Helper()
	log, err := os.ReadFile(s.process.log.Name())
	require.NoError(s.t, err)
	most := 0
	for _, found := range regexp.MustCompile(`(?m)^gc \d+ @.* (\d+)->(\d+)->\d+ MB`).FindAllSubmatch(log, -1) {
		most = max(most, atoi(s.t, string(found[2])))
	}
	require.Positive(s.t, most, "no garbage collection was reported")
	return most
}

func atoi(t testing.TB, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}
