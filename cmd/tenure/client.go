package main

import (
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/tenurehq/tenure/internal/apiclient"
	"github.com/tenurehq/tenure/internal/config"
)

// client makes a client of the API that the environment names.
func (a *app) client(scope config.Scope) (*apiclient.Client, error) {
	settings, err := config.LoadClient(a.getenv, scope)
	if err != nil {
		return nil, err
	}
	return apiclient.New(settings.URL, settings.Token), nil
}

// get reads path for show, which prints it for people; with --json it is printed as it came.
func get[T any](a *app, c *cobra.Command, path string, query url.Values, show func(T) error) error {
	client, err := a.client(config.ScopeRead)
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if err := client.Get(c.Context(), path, query, &raw); err != nil {
		return err
	}
	return a.answer(c, raw, func() error {
		var value T
		if err := json.Unmarshal(raw, &value); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		return show(value)
	})
}

// post sends body to path and shows the answer as get does.
func post[T any](a *app, c *cobra.Command, path string, body any, show func(T) error) error {
	return postAs(a, c, config.ScopeAdmin, path, body, show)
}

func postAs[T any](a *app, c *cobra.Command, scope config.Scope, path string, body any, show func(T) error) error {
	client, err := a.client(scope)
	if err != nil {
		return err
	}
	raw := json.RawMessage("null")
	if err := client.Post(c.Context(), path, body, &raw); err != nil {
		return err
	}
	return a.answer(c, raw, func() error {
		var value T
		if err := json.Unmarshal(raw, &value); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		return show(value)
	})
}

func (a *app) answer(c *cobra.Command, raw json.RawMessage, show func() error) error {
	if a.json {
		return printJSON(c.OutOrStdout(), raw)
	}
	return show()
}

// list is a command's way to print a list of the API.
type list[T any] struct {
	path    string
	query   url.Values
	paged   bool
	limit   int // of a paged one; 0: all
	columns []string
	row     func(T) []any
	empty   string // printed when there are no items
}

func (l list[T]) print(a *app, c *cobra.Command) error {
	client, err := a.client(config.ScopeRead)
	if err != nil {
		return err
	}
	var items []json.RawMessage
	var more bool
	if l.paged {
		items, more, err = client.Pages(c.Context(), l.path, l.query, l.limit)
	} else {
		items, err = client.All(c.Context(), l.path, l.query)
	}
	if err != nil {
		return err
	}
	if more {
		fmt.Fprintf(c.ErrOrStderr(), "these are the first %d: --limit 0 shows all\n", len(items))
	}
	if a.json {
		return printJSON(c.OutOrStdout(), map[string]any{"items": items})
	}
	t := newTable(l.columns...)
	for _, raw := range items {
		var item T
		if err := json.Unmarshal(raw, &item); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		t.row(l.row(item)...)
	}
	t.print(c.OutOrStdout(), l.empty)
	return nil
}

// limitFlag adds --limit.
func limitFlag(c *cobra.Command, limit *int) {
	c.Flags().IntVar(limit, "limit", 100, "print at most so many; 0: all")
	c.PreRunE = func(*cobra.Command, []string) error {
		if *limit < 0 {
			return usagef("--limit is %d: it must be 0 or more", *limit)
		}
		return nil
	}
}
