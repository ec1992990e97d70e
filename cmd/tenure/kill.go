package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tenurehq/tenure/internal/apiclient"
	"github.com/tenurehq/tenure/internal/config"
	"github.com/tenurehq/tenure/internal/identity"
)

// maxKills is how many people one request may name.
const maxKills = 1000

func newKillCommand(a *app) *cobra.Command {
	var reason, file string
	var count int
	c := &cobra.Command{
		Use:   "kill {PERSON | --file LIST}",
		Short: "End everything that a person has, at once, whatever the sources say",
		Long: `Ends everything that a person has in every target, at once and before any other work: accounts disabled, sessions
ended, passwords and factors reset, memberships removed, each read back. It stays so, whatever the sources go on saying of
the person, until "tenure reinstate", or a worker.rehired event whose time is later. Whoever is killed already stays so.

PERSON is an identity's id, an employee id or a user name. A list has one a line; what follows a # is left out. How many
people it names must be typed as confirmation, or given with --count. Those who cannot be found are reported, the others
are killed; the exit code is then 1.

The token, in TENURE_KILL_TOKEN, needs the scope kill, which admin does not include.`,
		Example: `  tenure kill E1042 --reason "INC-2291: stolen laptop"
  tenure kill --file plant.txt --reason "the plant is closed" --count 500`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if (len(args) == 1) == (file != "") {
				return usagef("%s needs either %s, or --file", c.CommandPath(), personArgument)
			}
			if strings.TrimSpace(reason) == "" {
				return usagef("%s needs --reason: it is kept with the decision", c.CommandPath())
			}
			if file != "" {
				return a.killList(c, file, reason, count)
			}
			return a.decide(c, args[0], "kill", reason, func(k apiclient.Killed) string {
				if k.Effect == identity.EffectNone {
					return "was killed already"
				}
				return "is killed: everything is taken away now"
			})
		},
	}
	reasonFlag(c, &reason)
	c.Flags().StringVar(&file, "file", "", "a file with one person a line; - reads standard input")
	c.Flags().IntVar(&count, "count", 0, "how many people the file names, instead of typing it")
	return c
}

func newReinstateCommand(a *app) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:     "reinstate PERSON",
		Short:   "Lift a kill: what the sources say of the person counts again",
		Example: `  tenure reinstate E1042 --reason "INC-2291: it was found"`,
		Args:    arguments(personArgument),
		RunE: func(c *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return usagef("%s needs --reason: it is kept with the decision", c.CommandPath())
			}
			return a.decide(c, args[0], "reinstate", reason, func(k apiclient.Killed) string {
				if k.Effect == identity.EffectNone {
					return "was not killed"
				}
				return "is no longer killed: what the sources say counts again"
			})
		},
	}
	reasonFlag(c, &reason)
	return c
}

func reasonFlag(c *cobra.Command, reason *string) {
	c.Flags().StringVar(reason, "reason", "", "why; it is kept with the decision")
}

func (a *app) decide(c *cobra.Command, person, what, reason string, say func(apiclient.Killed) string) error {
	return postAs(a, c, config.ScopeKill, "/v1/identities/"+url.PathEscape(person)+"/"+what, apiclient.Decision{Reason: reason}, func(k apiclient.Killed) error {
		out := c.OutOrStdout()
		fmt.Fprintf(out, "%s %s\n", person, say(k))
		if k.DecidedAt != nil {
			fmt.Fprintf(out, "decided %s, identity %s: see tenure identity show %[2]s\n", localTime(*k.DecidedAt), k.IdentityID)
		}
		return nil
	})
}

// killList kills everybody on a list, once its length is confirmed.
func (a *app) killList(c *cobra.Command, file, reason string, count int) error {
	list, err := readKillList(c, file)
	if err != nil {
		return err
	}
	if !c.Flags().Changed("count") {
		if count, err = a.confirmCount(c, file, len(list)); err != nil {
			return err
		}
	}
	if count != len(list) {
		return fmt.Errorf("not done: %s names %d people, and %d was given", file, len(list), count)
	}
	client, err := a.client(config.ScopeKill)
	if err != nil {
		return err
	}
	var results []json.RawMessage
	progress := newProgress(c.ErrOrStderr(), "killing", len(list))
	for part := range slices.Chunk(list, maxKills) {
		var answer struct {
			Results []json.RawMessage `json:"results"`
		}
		if err := client.Post(c.Context(), "/v1/kills", apiclient.Kills{People: part, Reason: reason, Count: len(part)}, &answer); err != nil {
			return fmt.Errorf("the list is not finished, and some may be killed already: give the command once more, which kills nobody twice: %w", err)
		}
		results = append(results, answer.Results...)
		progress.add(len(answer.Results))
	}
	progress.clear()
	return a.printKills(c, results)
}

func (a *app) printKills(c *cobra.Command, results []json.RawMessage) error {
	killed, refused := newTable("person", "effect", "decided", "identity"), newTable("person", "why not")
	already, wrong := 0, 0
	for _, raw := range results {
		var r apiclient.KillResult
		if err := json.Unmarshal(raw, &r); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		if r.Error != nil {
			refused.row(r.Person, r.Error.Detail)
			wrong++
			continue
		}
		if r.Killed.Effect == identity.EffectNone {
			already++
		}
		killed.row(r.Person, r.Killed.Effect, optionalTime(r.Killed.DecidedAt), r.Killed.IdentityID)
	}
	if a.json {
		if err := printJSON(c.OutOrStdout(), map[string]any{"results": results}); err != nil {
			return err
		}
	} else {
		out := c.OutOrStdout()
		killed.print(out, "")
		refused.print(out, "")
		fmt.Fprintf(out, "%s killed, %d of them were already\n", people(len(results)-wrong, "is", "are"), already)
	}
	if wrong > 0 {
		return fmt.Errorf("%s not killed", people(wrong, "was", "were"))
	}
	return nil
}

// readKillList reads a list: one a line, each once, without comments.
func readKillList(c *cobra.Command, file string) ([]string, error) {
	in := c.InOrStdin()
	if file != "-" {
		f, err := os.Open(file) //nolint:gosec // the file that the caller names
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	var people []string
	known := map[string]bool{}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if person := strings.TrimSpace(line); person != "" && !known[person] {
			known[person] = true
			people = append(people, person)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if len(people) == 0 {
		return nil, fmt.Errorf("%s names nobody", file)
	}
	return people, nil
}

// confirmCount asks the person at the terminal for the number of people.
func (a *app) confirmCount(c *cobra.Command, file string, people int) (int, error) {
	if file == "-" || !a.interactive(c.InOrStdin()) {
		return 0, fmt.Errorf("nobody is at the terminal to confirm: look at the list, then run the command with --count %d", people)
	}
	fmt.Fprintf(c.ErrOrStderr(), "%s names %d people, who lose everything at once. Type their number to go on: ", file, people)
	line, err := readLine(c.Context(), c.InOrStdin())
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("read the answer: %w", err)
	}
	count, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return 0, errors.New("not done: that is no number")
	}
	return count, nil
}
