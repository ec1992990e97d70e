// Command bench measures Tenure against baselines on the same servers, in the same run: bare, which is the engine or the
// database alone, and honest, which makes every commit and every HTTP call of the product and has no logic. The product
// runs as in `tenure serve`, in this process, and so do its targets. docs/results.md keeps what it found.
//
//	make bench                      everything, in less than half an hour
//	make bench BENCH=--quick        a first impression in less than six minutes
//	make bench BENCH='--only kill'  one section
//
// The section vendors has Entra ID, Okta and a SCIM application as targets, all simulated. Its worker is the real program,
// built for it, since nothing but cmd/tenure may link the Graph SDK.
//
// It needs a Postgres and a Temporal server of its own, which `go run ./deploy/local test --` starts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	rounds  int // of each measurement that is repeated
	joiners int // in a round
	queued  int // joiners that wait while people are killed
	kills   int
	people  int           // in the organization whose policy is previewed
	users   int           // whom SCIM clients find
	limited int           // joiners at the vendors' published limits
	intake  time.Duration // of one measurement of intake, or of SCIM requests
	quick   bool
	write   bool
	only    string
	profile string
	command string
}

// The sections, in their order.
const (
	sectionJoiners = "joiners"
	sectionKill    = "kill"
	sectionIntake  = "intake"
	sectionPreview = "preview"
	sectionScim    = "scim"
	sectionVendors = "vendors"
)

var sections = []string{sectionJoiners, sectionKill, sectionIntake, sectionPreview, sectionScim, sectionVendors}

func parse(args []string) (options, error) {
	o := options{command: strings.Join(append([]string{"go run ./deploy/local test -- go run ./bench"}, args...), " ")}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.BoolVar(&o.quick, "quick", false, "smaller sizes for all that no flag sets")
	flags.IntVar(&o.rounds, "rounds", 5, "rounds; a warm-up round comes before and is dropped")
	flags.IntVar(&o.joiners, "joiners", 300, "joiners a round")
	flags.IntVar(&o.queued, "queued", 1000, "joiners kept queued while people are killed")
	flags.IntVar(&o.kills, "kills", 300, "kills, half of settled people and half of queued joiners")
	flags.IntVar(&o.people, "people", 10000, "people whom the policy preview looks at")
	flags.IntVar(&o.users, "users", 100000, "Users whom SCIM clients find; one in ten is in the large Group")
	flags.IntVar(&o.limited, "limited", 400, "joiners at the vendors' published limits")
	flags.DurationVar(&o.intake, "intake", 2*time.Second, "time of each measurement of intake, and of SCIM requests")
	flags.BoolVar(&o.write, "write", false, "put the results into docs/results.md")
	flags.StringVar(&o.only, "only", "", "run one section: "+strings.Join(sections, ", "))
	flags.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of a round of joiners to this file,\n"+
		"and of each kind of SCIM request to one that is named after it")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("does not expect %q", flags.Arg(0))
	}
	if o.only != "" && !slices.Contains(sections, o.only) {
		return o, fmt.Errorf("--only is %q: it is one of %s", o.only, strings.Join(sections, ", "))
	}
	if o.quick {
		o.shrink(flags)
	}
	if o.users < 1000 {
		return o, errors.New("--users is at least 1000: a tenth of them are the large Group")
	}
	if o.limited < 1 || o.rounds < 1 || o.joiners < 1 || o.queued < 1 || o.kills < 2 || o.people < 1 || o.intake <= 0 {
		return o, errors.New("every size must be positive, and at least 2 people be killed")
	}
	return o, nil
}

// shrink makes every size that the command line does not name a small one.
func (o *options) shrink(flags *flag.FlagSet) {
	small := options{rounds: 2, joiners: 60, queued: 200, kills: 40, people: 2000, users: 10000, limited: 90, intake: 300 * time.Millisecond}
	set := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { set[f.Name] = true })
	for name, change := range map[string]func(){
		"rounds":  func() { o.rounds = small.rounds },
		"joiners": func() { o.joiners = small.joiners },
		"queued":  func() { o.queued = small.queued },
		"kills":   func() { o.kills = small.kills },
		"people":  func() { o.people = small.people },
		"users":   func() { o.users = small.users },
		"limited": func() { o.limited = small.limited },
		"intake":  func() { o.intake = small.intake },
	} {
		if !set[name] {
			change()
		}
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	s, err := openServers(ctx)
	if err != nil {
		return err
	}
	defer s.close(context.WithoutCancel(ctx))
	r, err := measureAll(ctx, o, s)
	if err != nil {
		return err
	}
	text := r.markdown()
	fmt.Fprint(out, "\n"+text)
	if o.write {
		return writeResults(resultsFile, text)
	}
	return nil
}

// measureAll runs the sections, one after the other: those that need a worker, then those that need none.
func measureAll(ctx context.Context, o options, s *servers) (report, error) {
	r := report{about: about(ctx, o)}
	wanted := func(section string) bool { return o.only == "" || o.only == section }
	for _, part := range []struct {
		org      string
		work     bool
		sections []section
	}{
		{"product", true, []section{
			{sectionJoiners, func(p *product) (err error) { r.joiners, err = measureJoiners(ctx, o, s, p, startTargets); return err }},
			{sectionKill, func(p *product) (err error) { r.kill, err = measureKills(ctx, o, p); return err }},
		}},
		{"intake", false, []section{
			{sectionIntake, func(p *product) (err error) { r.intake, err = measureIntake(ctx, o, p); return err }},
			{sectionPreview, func(p *product) (err error) { r.preview, err = measurePreview(ctx, o, p); return err }},
		}},
		{"directory", false, []section{
			{sectionScim, func(p *product) (err error) { r.scim, err = measureScim(ctx, o, p); return err }},
		}},
	} {
		todo := slices.DeleteFunc(part.sections, func(each section) bool { return !wanted(each.name) })
		if len(todo) == 0 {
			continue
		}
		on, err := startTargets(ctx)
		if err != nil {
			return r, err
		}
		p, err := startProduct(ctx, s, form{org: part.org, work: part.work}, on)
		if err != nil {
			return r, err
		}
		if err := p.stopAfter(func() error { return inTurn(p, todo) }); err != nil {
			return r, err
		}
	}
	if !wanted(sectionVendors) {
		return r, nil
	}
	var err error
	if r.vendors, err = measureVendors(ctx, o, s); err != nil {
		return r, fmt.Errorf("%s: %w", sectionVendors, err)
	}
	return r, nil
}

// section is one measurement of the product.
type section struct {
	name    string
	measure func(p *product) error
}

func inTurn(p *product, todo []section) error {
	for _, each := range todo {
		if err := each.measure(p); err != nil {
			return fmt.Errorf("%s: %w", each.name, err)
		}
	}
	return nil
}

// takeTurns measures each of n contenders once a round, and each round another begins: what happens to the machine happens to
// all of them. Round 0 warms up.
func takeTurns(rounds, n int, measure func(round, i int) error) error {
	for round := range rounds + 1 {
		for i := range n {
			if err := measure(round, (i+round)%n); err != nil {
				return err
			}
		}
	}
	return nil
}

// profiled runs fn under the CPU profiler, when a profile is asked for.
func profiled(file io.Writer, fn func() error) error {
	if file == nil {
		return fn()
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return fn()
}

// step says on standard error what is being measured.
func step(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
