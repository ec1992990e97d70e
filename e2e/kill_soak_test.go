//go:build soak

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/internal/testkit"
)

// TestKillAnything is invariant 2: kill -9 of the API, the worker, Temporal and Postgres at random moments of a busy
// time. Every acknowledged event has its effect, and nobody has two accounts.
func TestKillAnything(t *testing.T) {
	kills := killsOr(6)
	seed := rand.Uint64()
	t.Logf("seed %d, %d kills", seed, kills)
	random := rand.New(rand.NewPCG(seed, 0))

	pg := testkit.StartPostgres(t)
	temporal := testkit.StartTemporal(t, pg)
	k := newKillable(t, pg, temporal)
	feed := k.feed()
	for n, each := range drawn(random, victims(t, k.api, k.worker, temporal, pg), kills) {
		feed.more(12)
		// The pause is the random moment; what is under way then is for chance to choose.
		time.Sleep(time.Duration(200+random.IntN(1500)) * time.Millisecond)
		t.Logf("kill %d: %s, %d events acknowledged", n+1, each.name, feed.acknowledged.Load())
		each.kill()
	}
	feed.wait()
	k.settle()
	for id, state := range feed.final {
		if state == "left" {
			k.world.requireGone(id)
		} else {
			k.world.requireEnabled(id, "Everyone", state)
		}
	}
}

// killable is a stack whose every part can be killed.
type killable struct {
	t           *testing.T
	world       *world
	url, token  string
	api, worker *program
}

func newKillable(t *testing.T, pg *testkit.PrivatePostgres, temporal *testkit.PrivateTemporal) *killable {
	t.Helper()
	require.NoError(t, migrate(t.Context(), pg.Owner))
	binary := buildTenure(t)
	w := newWorldOn(t, pg.Database, settings{idle: true})
	token, _, err := w.store.CreateToken(t.Context(), w.org, "feed", []string{"hr", "read"}, time.Now().Add(time.Hour))
	require.NoError(t, err)
	listen := freeAddress(t)
	env := append(os.Environ(), "DATABASE_URL="+pg.Serve, "TEMPORAL_ADDRESS="+temporal.Address(), "TEMPORAL_NAMESPACE="+testkit.TemporalNamespace,
		"TENURE_LISTEN="+listen, "TENURE_SWEEP_INTERVAL=1s", "TENURE_TASK_QUEUE="+w.queue)
	k := &killable{t: t, world: w, url: "http://" + listen, token: token}
	for _, p := range []struct {
		at      **program
		command string
	}{{&k.api, "api"}, {&k.worker, "worker"}} {
		log, err := os.CreateTemp(t.TempDir(), p.command)
		require.NoError(t, err)
		*p.at = &program{t: t, binary: binary, command: p.command, env: env, log: log}
		(*p.at).start()
		t.Cleanup(func() {
			(*p.at).kill()
			if t.Failed() {
				if text, err := os.ReadFile(log.Name()); err == nil {
					t.Logf("log of %s:\n%s", p.command, text[max(0, len(text)-4000):])
				}
			}
		})
	}
	return k
}

// feed is an HR system that sends each event until it is acknowledged, several people's at a time.
type feed struct {
	k            *killable
	stories      chan []map[string]any
	people       int
	acknowledged atomic.Int64
	final        map[string]string // employee → department, or left
	done         sync.WaitGroup
}

func (k *killable) feed() *feed {
	f := &feed{k: k, final: map[string]string{}, stories: make(chan []map[string]any, 10_000)}
	for range 4 {
		f.done.Go(func() {
			for story := range f.stories {
				for _, event := range story {
					k.post(event)
					f.acknowledged.Add(1)
				}
			}
		})
	}
	return f
}

// more has so many more people live their stories.
func (f *feed) more(people int) {
	for range people {
		who := person(f.people)
		id := who["employeeId"].(string)
		story := []map[string]any{f.k.cloudEvent(1, "worker.joined", who)}
		f.final[id] = "Sales"
		if f.people%2 == 0 {
			story = append(story, f.k.cloudEvent(2, "worker.changed", fact{"employeeId": id, "department": "Marketing"}))
			f.final[id] = "Marketing"
		}
		if f.people%3 == 0 {
			story = append(story, f.k.cloudEvent(3, "worker.left", fact{"employeeId": id, "immediate": true}))
			f.final[id] = "left"
		}
		f.people++
		f.stories <- story
	}
}

// wait returns when every event is acknowledged.
func (f *feed) wait() {
	close(f.stories)
	f.done.Wait()
}

// cloudEvent makes an event; step orders it among those of its person, which may be made within the clock's resolution.
func (k *killable) cloudEvent(step int, kind string, data fact) map[string]any {
	return map[string]any{"specversion": "1.0", "id": uuid.NewString(), "source": "hr", "type": kind, "sequence": strconv.Itoa(step),
		"time": time.Now().Format(time.RFC3339Nano), "data": data}
}

// post sends an event until the API says that it has it. Sending it twice does no harm: that is part of the test.
func (k *killable) post(event map[string]any) {
	body, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, k.url+"/v1/events", bytes.NewReader(body))
		if err != nil {
			panic(err)
		}
		request.Header.Set("Content-Type", "application/cloudevents+json")
		request.Header.Set("Authorization", "Bearer "+k.token)
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			answer, _ := io.ReadAll(response.Body)
			_ = response.Body.Close()
			cancel()
			switch {
			case response.StatusCode == http.StatusAccepted:
				return
			case response.StatusCode < 500:
				panic(fmt.Sprintf("refused: %d %s", response.StatusCode, answer))
			}
		}
		cancel()
		time.Sleep(50 * time.Millisecond) // as a client that tries again does
	}
}

// settle waits until nothing is left to do. The database may still be coming up.
func (k *killable) settle() {
	k.t.Helper()
	unsettled := func() bool {
		n := 1
		_ = k.world.store.InOrg(k.t.Context(), k.world.org, func(tx *store.Tx) error {
			return tx.QueryRow(k.t.Context(), `select (select count(*) from identities where settled_version < version) + (select count(*) from outbox)`).Scan(&n)
		})
		return n == 0
	}
	k.world.eventually("every identity settled", unsettled)
}
