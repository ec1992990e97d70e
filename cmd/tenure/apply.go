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
	"slices"

	"github.com/spf13/cobra"

	"github.com/tenurehq/tenure/internal/apiclient"
	"github.com/tenurehq/tenure/internal/config"
	"github.com/tenurehq/tenure/internal/policy"
)

func newApplyCommand(a *app) *cobra.Command {
	var autoApprove bool
	c := a.policyCommand(&cobra.Command{
		Use:   "apply",
		Short: "Preview a policy and make it the one in force",
		Long: `Reads policy files, prints how many people would gain, lose or change an account in each target, asks, and makes
the policy the one in force. All files together are the whole policy: what is not in them is gone. Those who are
affected are looked at again in waves.`,
		Example: `  tenure apply -f policy/
  tenure apply -f organization.yaml -f targets.yaml -f roles.yaml
  tenure apply -f policy/ --auto-approve        for scripts`,
	}, func(c *cobra.Command, client *apiclient.Client, files []policy.File) error {
		return a.runApply(c, client, files, autoApprove)
	})
	c.Flags().BoolVar(&autoApprove, "auto-approve", false, "do not ask")
	return c
}

// policyCommand makes a command that works on the policy files that --file names, once they have been read and checked.
func (a *app) policyCommand(c *cobra.Command, run func(*cobra.Command, *apiclient.Client, []policy.File) error) *cobra.Command {
	var paths []string
	c.RunE = func(c *cobra.Command, _ []string) error {
		files, err := readPolicyFiles(paths)
		if err != nil {
			return err
		}
		if _, err := policy.Parse(files...); err != nil {
			return fmt.Errorf("the policy was not sent, mend this first:\n%w", err)
		}
		client, err := a.client(config.ScopeAdmin)
		if err != nil {
			return err
		}
		return run(c, client, files)
	}
	c.Flags().StringSliceVarP(&paths, "file", "f", nil, "a policy file, or a folder of .yaml files; may be repeated")
	requireFlags(c, "file")
	return c
}

// readPolicyFiles reads files, and the .yaml and .yml files of folders in the order of their names.
func readPolicyFiles(paths []string) ([]policy.File, error) {
	var files []policy.File
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("read policy: %w", err)
		}
		names := []string{path}
		if info.IsDir() {
			if names, err = policyFilesIn(path); err != nil {
				return nil, err
			}
		}
		for _, name := range names {
			data, err := os.ReadFile(name) //nolint:gosec // the caller names the files
			if err != nil {
				return nil, fmt.Errorf("read policy: %w", err)
			}
			files = append(files, policy.File{Name: name, Data: data})
		}
	}
	return files, nil
}

func policyFilesIn(dir string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if ext := filepath.Ext(path); err == nil && !entry.IsDir() && (ext == ".yaml" || ext == ".yml") {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("read policy: the folder %s holds no .yaml file", dir)
	}
	slices.Sort(names)
	return names, nil
}

func (a *app) runApply(c *cobra.Command, client *apiclient.Client, files []policy.File, autoApprove bool) error {
	preview, raw, err := applyPolicy(c.Context(), client, files, func(p apiclient.Preview) error {
		// With --json the preview is for the person who is asked, the answer for the script.
		out := c.OutOrStdout()
		if a.json {
			out = c.ErrOrStderr()
		}
		printPreview(out, p)
		if autoApprove {
			return nil
		}
		return a.confirm(c, "Apply this policy?", "--auto-approve")
	})
	if err != nil {
		return err
	}
	return a.answer(c, raw, func() error {
		out := c.OutOrStdout()
		switch {
		case preview.Unchanged:
			printUnchanged(out, preview)
		case preview.Affected == 0:
			fmt.Fprintf(out, "applied as version %d: nobody is affected\n", preview.From+1)
		default:
			fmt.Fprintf(out, "applied as version %d: %s looked at again, in waves\n", preview.From+1, people(preview.Affected, "is", "are"))
		}
		return nil
	})
}

// applyPolicy previews a policy and, unless it is the one in force already, asks for approval and applies it. It answers
// the preview that was approved, and the API's last answer as it came.
func applyPolicy(ctx context.Context, client *apiclient.Client, files []policy.File,
	approve func(apiclient.Preview) error) (apiclient.Preview, json.RawMessage, error) {
	preview, raw, err := previewPolicy(ctx, client, files)
	if err != nil {
		return preview, nil, err
	}
	if preview.Unchanged {
		return preview, raw, nil
	}
	if err := approve(preview); err != nil {
		return preview, nil, err
	}
	var answer json.RawMessage
	if err := client.Post(ctx, "/v1/policy", apiclient.ApplyRequest{Files: policyFilesOf(files), From: preview.From}, &answer); err != nil {
		if problem := new(apiclient.ProblemError); !errors.As(err, &problem) {
			err = fmt.Errorf("%w; if the answer was lost the policy may be in force, running the command again tells", err)
		}
		return preview, nil, fmt.Errorf("apply the policy: %w", err)
	}
	return preview, answer, nil
}

// previewPolicy answers what a policy would change, also as it came.
func previewPolicy(ctx context.Context, client *apiclient.Client, files []policy.File) (apiclient.Preview, json.RawMessage, error) {
	var preview apiclient.Preview
	var raw json.RawMessage
	if err := client.Post(ctx, "/v1/policy/preview", apiclient.PreviewRequest{Files: policyFilesOf(files)}, &raw); err != nil {
		return preview, nil, fmt.Errorf("preview the policy: %w", err)
	}
	if err := json.Unmarshal(raw, &preview); err != nil {
		return preview, nil, fmt.Errorf("read the preview: %w", err)
	}
	return preview, raw, nil
}

func policyFilesOf(files []policy.File) []apiclient.PolicyFile {
	sent := make([]apiclient.PolicyFile, len(files))
	for i, f := range files {
		sent[i] = apiclient.PolicyFile{Name: f.Name, Data: string(f.Data)}
	}
	return sent
}

func printUnchanged(out io.Writer, p apiclient.Preview) {
	fmt.Fprintf(out, "no change: this is the policy in force, version %d\n", p.From)
}

func printPreview(out io.Writer, p apiclient.Preview) {
	t := newTable("target", "gain", "lose", "change", "grants", "revokes")
	for _, target := range p.Targets {
		t.row(target.Target, target.Gain, target.Lose, target.Change, target.Granted, target.Revoked)
	}
	fmt.Fprintln(out, "People who gain, lose or change an account, and entitlements:")
	t.print(out, "no target")
	fmt.Fprintf(out, "%s affected", people(p.Affected, "is", "are"))
	if p.Refused > 0 {
		fmt.Fprintf(out, "; for %s of them the policy cannot be evaluated, they keep what they have: "+
			"`tenure operation list --status failed` will say why", people(p.Refused, "", ""))
	}
	fmt.Fprintln(out)
}

// people counts people, with a verb that agrees.
func people(n int, singular, plural string) string {
	noun, verb := "people", plural
	if n == 1 {
		noun, verb = "person", singular
	}
	if verb != "" {
		verb = " " + verb
	}
	return fmt.Sprintf("%d %s%s", n, noun, verb)
}
