package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

const (
	tokenVariable = "TENURE_BENCH_TOKEN"
	targetToken   = "bench"
	group         = "All Staff"
)

// target is one application or identity provider of this process, that keeps its contents in memory. What the product does
// with it by a connector, the honest baseline does by create and enterAndRead: the same requests.
type target interface {
	name() string
	// policy is the target's entry in a policy; title is what the title is mapped from.
	policy(title string) string
	// requests counts the HTTP requests received, but for those for access tokens.
	requests() int
	// accounts counts the accounts; each must be enabled and a member of exactly the group.
	accounts() (int, error)
	// prepare finds out what the product finds out once: the group's id, an access token.
	prepare(ctx context.Context) error
	// create looks for the account and, since there is none, makes it.
	create(ctx context.Context, number int64) (nativeID string, err error)
	// enterAndRead puts the account into the group, unless create did, and reads both back.
	enterAndRead(ctx context.Context, nativeID string) error
	stop()
}

// targets are what everybody has an account in, by name. The product and the honest baseline have some each, so that both
// find groups of the same size.
type targets map[string]target

// startTargets starts three SCIM applications without lag.
func startTargets(ctx context.Context) (targets, error) {
	started := targets{}
	for _, name := range []string{"crm", "desk", "wiki"} {
		t, err := startScim(ctx, name)
		if err != nil {
			started.stop()
			return nil, err
		}
		started[name] = t
	}
	return started, nil
}

func (t targets) stop() {
	for _, each := range t {
		each.stop()
	}
}

// requests counts the HTTP requests that all have received.
func (t targets) requests() int {
	n := 0
	for _, each := range t {
		n += each.requests()
	}
	return n
}

// check requires this many accounts in each.
func (t targets) check(want int) error {
	for name, each := range t {
		n, err := each.accounts()
		if err == nil && n != want {
			err = fmt.Errorf("has %d accounts and should have %d", n, want)
		}
		if err != nil {
			return fmt.Errorf("target %s: %w", name, err)
		}
	}
	return nil
}

var errAccount = errors.New("has an account that is disabled or not in exactly one group")

// policyText gives everyone an account and the group in each target; title is what the title is mapped from.
func (t targets) policyText(org, title string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `organization: %s
timeZone: Europe/Berlin
naming:
  - name: userName
    templates: ['slug(person.givenName) + "." + slug(person.familyName)', '"u" + slug(person.employeeId)']
  - name: mail
    templates: ['userName + "@%s"']
targets:
`, org, domain)
	names := sortedKeys(t)
	for _, name := range names {
		b.WriteString(t[name].policy(title))
	}
	b.WriteString("roles:\n")
	for _, name := range names {
		fmt.Fprintf(&b, "  - {name: %s-member, kind: technical, target: %[1]s, entitlements: [{name: %s}]}\n", name, group)
	}
	fmt.Fprintf(&b, "birthright:\n  - {name: everyone, when: true, accounts: [%[1]s], roles: [%s]}\n",
		strings.Join(names, ", "), strings.Join(names, "-member, ")+"-member")
	return b.String()
}

// domain is that of everybody's mail address.
const domain = "contoso.example"

// server is a target's HTTP server on the loopback.
type server struct {
	url      string
	http     *http.Server
	received atomic.Int64
}

// serve starts the server. Requests whose path ends in uncounted are not counted.
func serve(ctx context.Context, name string, handler http.Handler, uncounted string) (*server, error) {
	if err := os.Setenv(tokenVariable, targetToken); err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{url: "http://" + listener.Addr().String()}
	s.http = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if uncounted == "" || !strings.Contains(r.URL.Path, uncounted) {
			s.received.Add(1)
		}
		handler.ServeHTTP(w, r)
	})}
	go func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			step("target %s: %v", name, err)
		}
	}()
	return s, nil
}

func (s *server) requests() int { return int(s.received.Load()) }
