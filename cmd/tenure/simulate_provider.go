package main

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// The values of --limits.
const (
	limitsPublished = "published"
	limitsOff       = "off"
)

// providerFlags are those that the simulated identity providers share.
type providerFlags struct {
	listen, data, limits     string
	expose                   bool
	groups                   []string
	searchLag, revocationLag time.Duration
}

func (f *providerFlags) register(command *cobra.Command, listen string) {
	flags := command.Flags()
	flags.StringVar(&f.listen, "listen", listen, "address to listen on; port 0 takes a free one")
	flags.BoolVar(&f.expose, "expose", false, "listen on an address that other machines reach")
	flags.StringArrayVar(&f.groups, "group", nil, "name of a group to create when it is missing; may be repeated")
	flags.DurationVar(&f.searchLag, "search-lag", 0, "how far the search index is behind, such as 5s")
	flags.DurationVar(&f.revocationLag, "revocation-lag", 0, "how long sessions outlive their revocation, such as 30s")
	flags.StringVar(&f.limits, "limits", limitsPublished, "rate limits: published (answers 429 as the vendor documents) or off")
}

// check refuses what has no sense, before anything is made.
func (f *providerFlags) check() error {
	if err := checkSimulatorAddress(f.listen, f.expose); err != nil {
		return err
	}
	if f.limits != limitsPublished && f.limits != limitsOff {
		return usagef("--limits is %q: it must be %s or %s", f.limits, limitsPublished, limitsOff)
	}
	if slices.Contains(f.groups, "") {
		return usagef("--group is empty: give the group's name")
	}
	return checkLags(lag{"search-lag", f.searchLag}, lag{"revocation-lag", f.revocationLag})
}

// lag is a flag for a time that something takes.
type lag struct {
	flag string
	time time.Duration
}

func checkLags(lags ...lag) error {
	for _, l := range lags {
		if l.time < 0 {
			return usagef("--%s is %s: it must be 0 or longer", l.flag, l.time)
		}
	}
	return nil
}

// checkSimulatorAddress refuses an address that other machines reach, unless they are meant to: a simulator tells
// everybody who its users are.
func checkSimulatorAddress(listen string, expose bool) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return usagef("--listen is %q: write it as host:port, such as 127.0.0.1:8093", listen)
	}
	ip := net.ParseIP(host)
	if expose || host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return usagef("--listen is %q, which is not on this machine's loopback: take 127.0.0.1, or say --expose to let other machines in", listen)
}

// named splits what a flag gives as NAME=REST; without an equals sign all is the name.
func named(flag, value string) (name, rest string, err error) {
	name, rest, _ = strings.Cut(value, "=")
	if name == "" {
		return "", "", usagef("--%s is %q: it must begin with a name", flag, value)
	}
	return name, rest, nil
}

// setting is one setting of a target, as a policy writes it.
type setting struct{ name, value string }

// printTarget says where the simulator is and how a target reaches it.
func printTarget(out io.Writer, what, address string, settings ...setting) {
	fmt.Fprintf(out, "%s at %s, simulated, not verified against the vendor. The settings of a target:\n", what, address)
	for _, s := range settings {
		fmt.Fprintf(out, "  %s: %s\n", s.name, s.value)
	}
}
