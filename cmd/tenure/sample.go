package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenurehq/tenure/deploy/sample"
	"github.com/tenurehq/tenure/internal/apiclient"
	"github.com/tenurehq/tenure/internal/config"
	"github.com/tenurehq/tenure/internal/policy"
)

func newSampleCommand(a *app) *cobra.Command {
	var paths []string
	var brief bool
	play := &cobra.Command{
		Use:   "play",
		Short: "Play the sample organization, then compare every target with what policy says",
		Long: `Applies the sample's policy, sends what happens to its 300 people in phases, and waits after each until all is settled.
When they have joined, it has them choose passwords, enrol factors and sign in to the simulated Entra ID and Okta. In the
end it compares what the targets hold (accounts and their states, groups, licences, applications; sessions, factors and
passwords) with what policy says, and prints what was done.

It reads TENURE_URL, TENURE_ADMIN_TOKEN and TENURE_HR_TOKEN of the organization acme, and the variables that the targets'
settings in its policy refer to, TENURE_SAMPLE_CRM_URL and the like. The targets must be those of ` + "`tenure simulate`" + `.
The day of the first play is kept in TENURE_RUN_DIR (.run): a later play sends the same events, which then change nothing,
and compares again.`,
		Example: `  tenure sample play
  tenure sample play -f policy/        with a changed copy of deploy/sample/acme`,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := a.newPlayer(c, paths)
			if err != nil {
				return err
			}
			if brief {
				p.script = sample.Brief
			}
			return p.play(c.Context())
		},
	}
	play.Flags().StringSliceVarP(&paths, "file", "f", nil,
		"a policy file of "+sample.Organization+", or a folder of .yaml files, instead of the sample's own; may be repeated")
	play.Flags().BoolVar(&brief, "brief", false, "a third of the people: those who lead, to whom something happens, or who are somebody's namesake")
	return newGroupCommand("sample", "The sample organization acme", play)
}

// player plays the sample.
type player struct {
	app      *app
	out      io.Writer
	errOut   io.Writer
	client   *apiclient.Client // an administrator's
	hr       *apiclient.Client
	files    []policy.File
	policy   *policy.Policy
	script   func(day time.Time) []sample.Phase
	stateDir string
	patience patience
}

// newPlayer plays with the policy of the paths, and with the sample's when there are none.
func (a *app) newPlayer(c *cobra.Command, paths []string) (*player, error) {
	p := &player{app: a, out: c.OutOrStdout(), errOut: c.ErrOrStderr(), script: sample.Script, stateDir: a.getenv("TENURE_RUN_DIR"), patience: usualPatience}
	if p.stateDir == "" {
		p.stateDir = ".run"
	}
	var err error
	if p.client, err = a.client(config.ScopeAdmin); err != nil {
		return nil, err
	}
	if p.hr, err = a.client(config.ScopeHR); err != nil {
		return nil, err
	}
	read := sample.PolicyFiles
	if len(paths) > 0 {
		read = func() ([]policy.File, error) { return readPolicyFiles(paths) }
	}
	if p.files, err = read(); err != nil {
		return nil, err
	}
	if p.policy, err = policy.Parse(p.files...); err != nil {
		return nil, fmt.Errorf("nothing was played, mend the policy first:\n%w", err)
	}
	if org := p.policy.Organization(); org != sample.Organization {
		return nil, fmt.Errorf("nothing was played: the policy is that of the organization %q, the sample's people are in %q", org, sample.Organization)
	}
	return p, nil
}

// played is what a play did, as --json prints it.
type played struct {
	Day         string            `json:"day"` // the dates of the script are relative to it
	Effects     map[string]int    `json:"events"`
	Differences []difference      `json:"differences"`
	Report      apiclient.Report  `json:"report"`
	Usage       map[string]usage  `json:"usage"` // by target
	Runs        []runsOf          `json:"runs,omitempty"`
	Addresses   map[string]string `json:"addresses"`
}

func (p *player) play(ctx context.Context) error {
	targets, err := p.connectTargets()
	if err != nil {
		return err
	}
	if err := p.applyPolicy(ctx); err != nil {
		return err
	}
	day, again, err := p.day()
	if err != nil {
		return err
	}
	if again {
		fmt.Fprintf(p.errOut, "the sample was begun on %s; what was sent before changes nothing\n", day.Format(time.DateOnly))
	}
	result := played{Day: day.Format(time.DateOnly), Effects: map[string]int{}, Differences: []difference{}}
	signedIn, err := p.playPhases(ctx, p.script(day), targets, result.Effects)
	if err != nil {
		return err
	}
	if err := p.measure(ctx, targets, &result); err != nil { // before the comparison calls the targets
		return err
	}
	if result.Differences, err = p.compare(ctx, targets, signedIn); err != nil {
		return err
	}
	if p.app.json {
		err = printJSON(p.out, result)
	} else {
		p.print(result)
	}
	if err == nil && len(result.Differences) > 0 {
		err = fmt.Errorf("%d differences between the targets and what policy says: `tenure explain PERSON` and `tenure operation list` say more",
			len(result.Differences))
	}
	return err
}

// playPhases sends the events phase by phase. Those who have joined sign in before anything else happens to them; it answers
// who had.
func (p *player) playPhases(
	ctx context.Context, phases []sample.Phase, targets []*simulatedTarget, effects map[string]int,
) (signedIn map[string]map[string]bool, err error) {
	for _, phase := range phases {
		if err := p.send(ctx, phase, effects); err != nil {
			return nil, err
		}
		if err := waitForQuiet(ctx, p.client, p.errOut, phase.Name+" settled", p.patience); err != nil {
			return nil, err
		}
		if signedIn == nil {
			if signedIn, err = p.signIn(ctx, targets); err != nil {
				return nil, err
			}
		}
	}
	return signedIn, nil
}

func (p *player) applyPolicy(ctx context.Context) error {
	preview, _, err := applyPolicy(ctx, p.client, p.files, func(apiclient.Preview) error { return nil })
	if err != nil {
		return err
	}
	if preview.Unchanged {
		return nil
	}
	fmt.Fprintf(p.errOut, "policy applied as version %d\n", preview.From+1)
	return nil
}

// state is what is kept between plays.
type state struct {
	Day string `json:"day"`
}

// day is the day of the first play, and whether it was kept. The ids of the events follow from it.
func (p *player) day() (time.Time, bool, error) {
	name := filepath.Join(p.stateDir, "sample.json")
	text, err := os.ReadFile(name) //nolint:gosec // the caller names the folder
	if errors.Is(err, fs.ErrNotExist) {
		today := time.Now().UTC().Truncate(24 * time.Hour)
		return today, false, writeState(name, state{Day: today.Format(time.DateOnly)})
	}
	if err != nil {
		return time.Time{}, false, fmt.Errorf("read the day of the first play: %w", err)
	}
	var kept state
	err = json.Unmarshal(text, &kept)
	day, parseErr := time.Parse(time.DateOnly, kept.Day)
	if err = errors.Join(err, parseErr); err != nil {
		return day, false, fmt.Errorf("the file %s does not hold the day of the first play: delete it, and the organization's data with it, "+
			"to play anew (%w)", name, err)
	}
	return day, true, nil
}

// writeState writes the file at once or not at all.
func writeState(name string, s state) error {
	text, err := json.Marshal(s)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(name), 0o750)
	}
	if err == nil {
		err = os.WriteFile(name+".new", append(text, '\n'), 0o600)
	}
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		return fmt.Errorf("keep the day of the first play: %w", err)
	}
	return nil
}

// sampleBatch is how many events of the sample are sent at once: few, so that the bar moves.
const sampleBatch = 25

func (p *player) send(ctx context.Context, phase sample.Phase, effects map[string]int) error {
	events := make([]apiclient.Outgoing, len(phase.Events))
	for i, e := range phase.Events {
		text, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("write event %s: %w", e.ID, err)
		}
		events[i] = apiclient.Outgoing{Person: fmt.Sprint(e.Data["employeeId"]), JSON: text}
	}
	bar := newProgress(p.errOut, phase.Name+" sent", len(events))
	var refused []string
	err := p.hr.SendEvents(ctx, events, sampleBatch, func(indexes []int, results []apiclient.Result) {
		bar.add(len(indexes))
		for i, r := range results {
			if r.Error != nil {
				refused = append(refused, fmt.Sprintf("%s: %v", phase.Events[indexes[i]].ID, r.Error))
				continue
			}
			effects[r.Effect]++
		}
	})
	if err != nil {
		bar.clear()
		return fmt.Errorf("send the %s: %w", phase.Name, err)
	}
	if len(refused) > 0 {
		return fmt.Errorf("%d of the %s were refused; the first is %s", len(refused), phase.Name, refused[0])
	}
	return nil
}
