package main

import (
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/tenurehq/tenure/api/access"
	"github.com/tenurehq/tenure/internal/store"
)

func newTokenCommand(a *app) *cobra.Command {
	return newGroupCommand("token", "Make, list and revoke tokens of the API",
		newTokenCreateCommand(a), newTokenListCommand(a), newTokenRevokeCommand(a))
}

func newTokenCreateCommand(a *app) *cobra.Command {
	var org, name, expires string
	var scopes []string
	var quiet bool
	c := &cobra.Command{
		Use:   "create",
		Short: "Make a token and print it, once",
		Long: `Makes a token for the API and prints it. It is kept as a hash only: who loses it makes another.
The scope hr may send events, read may read, kill may kill people and reinstate them, admin may do all but kill. The scope
scim is for the directory's SCIM client; scim:entra and scim:okta say which directory it is, for one that is not recognised
by what it sends.`,
		Example: `  tenure token create --org acme --name workday --scope hr
  tenure token create --org acme --name entra --scope scim --expires 180d
  TENURE_ADMIN_TOKEN=$(tenure token create --org acme --name ops --scope admin --expires 8h --quiet)`,
		RunE: func(c *cobra.Command, _ []string) error {
			if quiet && a.json {
				return usagef("--quiet prints the token alone and --json an object: give one of them")
			}
			lifetime, err := parseLifetime(expires)
			if err != nil {
				return err
			}
			if err := checkScopes(scopes); err != nil {
				return err
			}
			return a.withStore(c.Context(), func(s *store.Store) error {
				secret, token, err := s.CreateToken(c.Context(), org, name, scopes, time.Now().Add(lifetime))
				if err != nil {
					return err
				}
				out := c.OutOrStdout()
				switch {
				case quiet:
					fmt.Fprintln(out, secret)
				case a.json:
					return printJSON(out, struct {
						Secret string `json:"token"`
						store.Token
					}{secret, token})
				default:
					fmt.Fprintf(out, "%s\n\nThis is the only time that it is shown. Id %s, scope %s, valid until %s.\n",
						secret, token.ID, strings.Join(scopes, " "), localTime(token.ExpiresAt))
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&org, "org", "", "the organization's id")
	c.Flags().StringVar(&name, "name", "", "what the token is for, as the list of tokens shows it")
	c.Flags().StringSliceVar(&scopes, "scope", nil, scopeNames()+"; may be repeated")
	c.Flags().StringVar(&expires, "expires", "365d", "how long it is valid: 90d, or 8h; at most 3650d")
	c.Flags().BoolVar(&quiet, "quiet", false, "print the token and nothing else")
	requireFlags(c, "org", "name", "scope")
	return c
}

func checkScopes(scopes []string) error {
	for _, scope := range scopes {
		if !slices.Contains(access.Scopes(), access.Scope(scope)) {
			return usagef("--scope is %q: it must be %s", scope, scopeNames())
		}
	}
	if len(scopes) == 0 {
		return usagef("--scope is empty: it must be %s", scopeNames())
	}
	return nil
}

// scopeNames lists the scopes as prose does.
func scopeNames() string {
	var names []string
	for _, scope := range access.Scopes() {
		names = append(names, string(scope))
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

const maxLifetime = 3650 * 24 * time.Hour

// parseLifetime reads a duration that may be in days.
func parseLifetime(text string) (time.Duration, error) {
	lifetime, err := time.ParseDuration(text)
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		var n int
		n, err = strconv.Atoi(days)
		lifetime = time.Duration(min(n, 100_000)) * 24 * time.Hour
	}
	if err != nil || lifetime < time.Minute || lifetime > maxLifetime {
		return 0, usagef("--expires is %q: it must be from 1m to 3650d, as in 90d or 8h", text)
	}
	return lifetime, nil
}

func newTokenListCommand(a *app) *cobra.Command {
	var org string
	c := &cobra.Command{
		Use:   "list",
		Short: "List an organization's tokens",
		RunE: func(c *cobra.Command, _ []string) error {
			tokens := []store.Token{}
			err := a.inOrg(c, org, func(tx *store.Tx) error {
				found, err := tx.Tokens(c.Context())
				tokens = append(tokens, found...)
				return err
			})
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(c.OutOrStdout(), tokens)
			}
			now := time.Now()
			t := newTable("id", "name", "scopes", "state", "expires", "last used")
			for _, token := range tokens {
				t.row(token.ID, token.Name, strings.Join(token.Scopes, " "), tokenState(token, now), localTime(token.ExpiresAt), optionalTime(token.LastUsedAt))
			}
			t.print(c.OutOrStdout(), "no token yet: `tenure token create` makes one")
			return nil
		},
	}
	c.Flags().StringVar(&org, "org", "", "the organization's id")
	requireFlags(c, "org")
	return c
}

func tokenState(t store.Token, now time.Time) string {
	switch {
	case t.RevokedAt != nil:
		return "revoked"
	case !now.Before(t.ExpiresAt):
		return "expired"
	default:
		return "valid"
	}
}

func newTokenRevokeCommand(a *app) *cobra.Command {
	var org string
	c := &cobra.Command{
		Use:     "revoke ID",
		Short:   "End a token now",
		Example: "  tenure token revoke --org acme 0b6f0c39-7f5c-4d4e-8f43-1f2b6f8a7d10",
		Args:    arguments("ID, as `tenure token list` shows it"),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := uuid.Parse(args[0])
			if err != nil {
				return usagef("%q is not the id of a token: `tenure token list --org %s` shows them", args[0], org)
			}
			var tokens []store.Token
			err = a.inOrg(c, org, func(tx *store.Tx) error {
				if err := tx.RevokeToken(c.Context(), id, cliActor()); err != nil {
					return err
				}
				tokens, err = tx.Tokens(c.Context())
				return err
			})
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(c.OutOrStdout(), tokens[slices.IndexFunc(tokens, func(t store.Token) bool { return t.ID == id })])
			}
			fmt.Fprintf(c.OutOrStdout(), "token %s is revoked\n", id)
			return nil
		},
	}
	c.Flags().StringVar(&org, "org", "", "the organization's id")
	requireFlags(c, "org")
	return c
}

// inOrg runs fn in a transaction of an organization that exists.
func (a *app) inOrg(c *cobra.Command, org string, fn func(tx *store.Tx) error) error {
	return a.withStore(c.Context(), func(s *store.Store) error {
		return s.InOrg(c.Context(), org, func(tx *store.Tx) error {
			if _, err := tx.Organization(c.Context()); err != nil {
				return err
			}
			return fn(tx)
		})
	})
}

// cliActor is who acts on the machine, as the record will say: "cli:" and the name of the login.
func cliActor() string {
	if u, err := user.Current(); err == nil {
		return "cli:" + u.Username
	}
	return "cli"
}
