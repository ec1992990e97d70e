package main

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/contrib/envconfig"
)

// app is what the commands share.
type app struct {
	env  envconfig.EnvLookup
	json bool // print the API's JSON instead of tables
	// interactive reports whether a person sits at a stream who can be asked.
	interactive func(stream any) bool
}

// getenv is a config.Getenv.
func (a *app) getenv(name string) string {
	value, _ := a.env.LookupEnv(name)
	return value
}

// The groups of the help.
const (
	groupService  = "service"
	groupPolicy   = "policy"
	groupPeople   = "people"
	groupOperator = "operator"
)

func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "tenure",
		Short: "Joiners, movers and leavers: what HR says of people becomes accounts in every application",
		Long: `Tenure takes what HR systems say of people and makes every application agree: accounts for those who join,
other access for those who move, none for those who leave, each read back and recorded.

Commands that talk to a running Tenure read TENURE_URL (http://127.0.0.1:8080) and TENURE_TOKEN, or TENURE_ADMIN_TOKEN,
TENURE_HR_TOKEN and TENURE_KILL_TOKEN by what they need. Commands for the operator of the machine read DATABASE_URL.`,
		Example: `  tenure apply -f policy/                     preview a policy, and apply it when you agree
  tenure import workers.csv                   send a file of workers
  tenure explain E1042                        why somebody has what they have
  tenure operation list --status failed       what did not work
  tenure identity list --state leaving --json | jq '.items[].userName'`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	asGroup(root)
	root.SetVersionTemplate("tenure {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usagef("%v", err) })
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON, for scripts")
	root.AddGroup(
		&cobra.Group{ID: groupService, Title: "Run the service:"},
		&cobra.Group{ID: groupOperator, Title: "On the machine, with the database:"},
		&cobra.Group{ID: groupPolicy, Title: "Policy and data:"},
		&cobra.Group{ID: groupPeople, Title: "Look and mend:"},
	)
	addTo(root, groupService, newServeCommand(), newAPICommand(), newWorkerCommand(), newSimulateCommand(a))
	addTo(root, groupOperator, newMigrateCommand(a), newOrgCommand(a), newTokenCommand(a))
	addTo(root, groupPolicy, newPlanCommand(a), newApplyCommand(a), newPolicyCommand(a), newImportCommand(a), newSampleCommand(a))
	addTo(root, groupPeople, newIdentityCommand(a), newExplainCommand(a), newKillCommand(a), newReinstateCommand(a), newOperationCommand(a), newTargetCommand(a),
		newCaseCommand(a), newReportCommand(a), newRecoverCommand(a))
	checkArguments(root)
	return root
}

// checkArguments makes every command's complaint of its arguments an error of usage.
func checkArguments(c *cobra.Command) {
	check := c.Args
	if check == nil {
		check = arguments()
	}
	c.Args = func(c *cobra.Command, args []string) error {
		err := check(c, args)
		if usage := new(usageError); err != nil && !errors.As(err, &usage) {
			return usagef("%v", err)
		}
		return err
	}
	for _, sub := range c.Commands() {
		checkArguments(sub)
	}
}

func addTo(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = group
		root.AddCommand(c)
	}
}

// asGroup makes a command that only holds others: alone it prints its help, and an unknown one below it is told from
// those that there are.
func asGroup(c *cobra.Command) {
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		message := fmt.Sprintf("%s has no command %q", c.CommandPath(), args[0])
		c.SuggestionsMinimumDistance = 2
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			message += ": did you mean " + strings.Join(near, " or ") + "?"
		}
		return usagef("%s", message)
	}
}

func newGroupCommand(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short}
	asGroup(c)
	c.AddCommand(commands...)
	return c
}

// arguments takes exactly the arguments named.
func arguments(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) > len(names):
			return usagef("%s does not expect %q", c.CommandPath(), args[len(names)])
		case len(args) < len(names):
			return usagef("%s needs %s", c.CommandPath(), names[len(args)])
		}
		return nil
	}
}

// requireFlags makes a command refuse to run without flags that have no default.
func requireFlags(c *cobra.Command, names ...string) {
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		for _, name := range names {
			if !c.Flags().Changed(name) {
				return usagef("%s needs --%s", c.CommandPath(), name)
			}
		}
		return nil
	}
}

// version is what the build says of itself: the module's version, or the commit of a build from a checkout.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) string {
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
		setting := map[string]string{}
		for _, s := range info.Settings {
			setting[s.Key] = s.Value
		}
		if revision := setting["vcs.revision"]; revision != "" {
			v += " " + revision[:min(12, len(revision))]
			if setting["vcs.modified"] == "true" {
				v += " with changes"
			}
		}
	}
	return v + " (" + info.GoVersion + ")"
}
