package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenurehq/tenure/internal/config"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
)

func newOrgCommand(a *app) *cobra.Command {
	return newGroupCommand("org", "Make and list organizations", newOrgCreateCommand(a), newOrgListCommand(a))
}

func newOrgCreateCommand(a *app) *cobra.Command {
	var name string
	var ifMissing bool
	c := &cobra.Command{
		Use:     "create ID",
		Short:   "Make an organization",
		Long:    "Makes an organization. Its id is at most 31 of a-z, 0-9 and -, and never changes.",
		Example: `  tenure org create acme --name "Acme Ltd"`,
		Args:    arguments("ID, the id of the organization"),
		RunE: func(c *cobra.Command, args []string) error {
			id := args[0]
			if name == "" {
				name = id
			}
			made, organization, err := a.createOrganization(c.Context(), id, name, ifMissing)
			switch {
			case err != nil:
				return err
			case a.json:
				return printJSON(c.OutOrStdout(), struct {
					organizationRow

					Made bool `json:"made"` // false: it existed already
				}{organization, made})
			case made:
				fmt.Fprintf(c.OutOrStdout(), "organization %q made: `tenure token create --org %s` makes it a token\n", id, id)
			default:
				fmt.Fprintf(c.OutOrStdout(), "organization %q exists already\n", id)
			}
			return nil
		},
	}
	c.Flags().StringVar(&name, "name", "", "its name for people; default: the id")
	c.Flags().BoolVar(&ifMissing, "if-missing", false, "succeed when it exists already")
	return c
}

// createOrganization answers the organization, and whether it was made: with ifMissing it may have been there.
func (a *app) createOrganization(ctx context.Context, id, name string, ifMissing bool) (made bool, _ organizationRow, err error) {
	var organization store.Organization
	err = a.withStore(ctx, func(s *store.Store) error {
		err := s.CreateOrganization(ctx, id, name)
		made = err == nil
		if err != nil && (!ifMissing || identity.ErrorCode(err) != identity.Conflict) {
			return err
		}
		return s.InOrg(ctx, id, func(tx *store.Tx) (err error) {
			organization, err = tx.Organization(ctx)
			return err
		})
	})
	return made, organizationRow(organization), err
}

// organizationRow is an organization as `org list` prints it, and as the API does.
type organizationRow struct {
	ID            string     `json:"id"`
	Name          string     `json:"name"`
	CreatedAt     time.Time  `json:"createdAt"`
	PolicyVersion int64      `json:"policyVersion"`
	HeldSince     *time.Time `json:"heldSince,omitempty"`
}

func newOrgListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the organizations of the database, or the token's own",
		Long: `Lists all organizations of the database that DATABASE_URL names. Without DATABASE_URL it asks a running Tenure, with
TENURE_URL and a token: a token sees the organization that it is of.`,
		RunE: func(c *cobra.Command, _ []string) error {
			organizations, err := a.organizations(c.Context())
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(c.OutOrStdout(), organizations)
			}
			t := newTable("id", "name", "policy", "made", "held since")
			for _, o := range organizations {
				t.row(o.ID, o.Name, o.PolicyVersion, localTime(o.CreatedAt), optionalTime(o.HeldSince))
			}
			t.print(c.OutOrStdout(), "no organization yet: `tenure org create` makes one")
			return nil
		},
	}
}

// organizations lists those that the caller may see: all of the database, or that of the token for who has no database.
func (a *app) organizations(ctx context.Context) ([]organizationRow, error) {
	if _, noDatabase := config.Database(a.getenv); noDatabase != nil {
		client, err := a.client(config.ScopeRead)
		if err != nil {
			return nil, fmt.Errorf("%w; or ask a running Tenure: %w", noDatabase, err)
		}
		var answer struct {
			Items []organizationRow `json:"items"`
		}
		err = client.Get(ctx, "/v1/organizations", nil, &answer)
		return answer.Items, err
	}
	organizations := []organizationRow{}
	err := a.withStore(ctx, func(s *store.Store) error {
		ids, err := s.OrganizationIDs(ctx)
		if err != nil {
			return err
		}
		for _, id := range ids {
			err := s.InOrg(ctx, id, func(tx *store.Tx) error {
				o, err := tx.Organization(ctx)
				organizations = append(organizations, organizationRow(o))
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return organizations, err
}
