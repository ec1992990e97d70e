package compare

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tenurehq/tenure/connectors"
)

// readers is how many accounts of a target are read at once.
const readers = 8

// Read reads every account of a target through a connector, with what it holds.
func Read(ctx context.Context, target connectors.Connector) ([]Held, error) {
	granter, ok := target.(connectors.EntitlementGranter)
	if !ok {
		return nil, errors.New("the connector cannot read entitlements")
	}
	var (
		held []Held
		mu   sync.Mutex
		page connectors.Page
	)
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for {
		accounts, err := target.ListAccounts(reading, page)
		if err != nil {
			if failed := group.Wait(); failed != nil {
				return nil, failed // which has ended the listing
			}
			return nil, fmt.Errorf("list accounts: %w", err)
		}
		for _, account := range accounts.Items {
			group.Go(func() error {
				entitlements, err := granter.GrantsOf(reading, account.NativeID)
				if err != nil {
					return fmt.Errorf("read what account %s holds: %w", account.NativeID, err)
				}
				mu.Lock()
				defer mu.Unlock()
				held = append(held, Held{Account: account, State: enabled(account.Enabled), Entitlements: entitlements})
				return nil
			})
		}
		if accounts.Next == "" {
			return held, group.Wait()
		}
		page.Cursor = accounts.Next
	}
}

func enabled(b bool) State {
	if b {
		return Enabled
	}
	return Disabled
}
