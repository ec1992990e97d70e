package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/tenurehq/tenure/connectors/scim/simulator"
)

const (
	tokenVariable = "TENURE_BENCH_TOKEN"
	targetToken   = "bench"
	group         = "Everyone"
)

var targetNames = []string{"crm", "desk", "wiki"}

// system is one target: a SCIM server of this process, without lag, that keeps its contents in memory.
type system struct {
	*simulator.Simulator
	url    string
	server *http.Server
}

// startTargets starts three systems. The product and the honest baseline have three each, so that both find groups of
// the same size.
func startTargets(ctx context.Context) (map[string]*system, error) {
	if err := os.Setenv(tokenVariable, targetToken); err != nil {
		return nil, err
	}
	systems := map[string]*system{}
	for _, name := range targetNames {
		sim, err := simulator.New(simulator.Options{Token: targetToken, Groups: []string{group}})
		if err != nil {
			return nil, err
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		s := &system{Simulator: sim, url: "http://" + listener.Addr().String(), server: &http.Server{Handler: sim, ReadHeaderTimeout: time.Minute}}
		go func() {
			if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				step("target %s: %v", name, err)
			}
		}()
		systems[name] = s
	}
	return systems, nil
}

func stopTargets(systems map[string]*system) {
	for _, s := range systems {
		_ = s.server.Close()
		_ = s.Close()
	}
}

// calls counts the requests that the systems have received.
func calls(systems map[string]*system) int {
	n := 0
	for _, s := range systems {
		for _, kinds := range s.Stats().Requests {
			for _, count := range kinds {
				n += count
			}
		}
	}
	return n
}

// requireAccounts checks that each system has this many accounts, all enabled and members of the group.
func requireAccounts(systems map[string]*system, want int) error {
	for _, name := range targetNames {
		users := systems[name].Snapshot().Users
		if len(users) != want {
			return fmt.Errorf("target %s has %d accounts and should have %d", name, len(users), want)
		}
		for _, u := range users {
			if !u.Enabled || len(u.Groups) != 1 {
				return fmt.Errorf("target %s has an account that is disabled or not in exactly one group", name)
			}
		}
	}
	return nil
}

// policyText gives everyone an account and the group in each of the three targets; title is what the title is mapped
// from.
func policyText(org string, systems map[string]*system, title string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `organization: %s
timeZone: Europe/Berlin
naming:
  - name: userName
    templates: ['slug(person.givenName) + "." + slug(person.familyName)', '"u" + slug(person.employeeId)']
targets:
`, org)
	for _, name := range targetNames {
		fmt.Fprintf(&b, `  - name: %s
    connector: scim
    settings: {baseUrl: "%s", token: "env:%s"}
    correlate: externalId
    attributes:
      externalId: person.employeeId
      userName: userName
      displayName: person.displayName
      title: %s
    entitlements: [{name: %s}]
`, name, systems[name].url, tokenVariable, title, group)
	}
	b.WriteString("roles:\n")
	for _, name := range targetNames {
		fmt.Fprintf(&b, "  - {name: %s-member, kind: technical, target: %[1]s, entitlements: [{name: %s}]}\n", name, group)
	}
	fmt.Fprintf(&b, "birthright:\n  - {name: everyone, when: true, accounts: [%[1]s], roles: [%s]}\n",
		strings.Join(targetNames, ", "), strings.Join(targetNames, "-member, ")+"-member")
	return b.String()
}
