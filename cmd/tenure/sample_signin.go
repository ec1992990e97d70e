package main

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tenurehq/tenure/cmd/tenure/compare"
	"github.com/tenurehq/tenure/internal/identity"
)

// signIn has everybody who works begin to do so in the identity providers: choose a password, enrol factors, sign in. So
// there is something to take from those who leave, and to leave with those who move. Who has left or been away since does
// not sign in again: what they have then is what Tenure let them keep. It answers by target whose accounts are in use.
func (p *player) signIn(ctx context.Context, targets []*simulatedTarget) (map[string]map[string]bool, error) {
	fresh, err := p.fresh(ctx)
	if err != nil {
		return nil, err
	}
	signedIn := map[string]map[string]bool{}
	for _, target := range targets {
		if !target.provider() {
			continue
		}
		accounts, err := target.contents(ctx)
		if err != nil {
			return nil, fmt.Errorf("read target %s: %w", target.name, err)
		}
		if signedIn[target.name], err = p.signInTo(ctx, target, accounts, fresh[target.name]); err != nil {
			return nil, err
		}
	}
	return signedIn, nil
}

// fresh are by target the accounts of those who work and were never away.
func (p *player) fresh(ctx context.Context) (map[string]map[string]bool, error) {
	details, err := readPeople(ctx, p.client)
	if err != nil {
		return nil, err
	}
	accounts := map[string]map[string]bool{}
	for _, d := range details {
		if left, away := history(d); left || away || d.State != identity.StateActive {
			continue
		}
		for _, account := range d.Accounts {
			if accounts[account.Target] == nil {
				accounts[account.Target] = map[string]bool{}
			}
			accounts[account.Target][account.NativeID] = true
		}
	}
	return accounts, nil
}

// signInTo signs in who may and has not yet.
func (p *player) signInTo(ctx context.Context, target *simulatedTarget, accounts []compare.Held, fresh map[string]bool) (map[string]bool, error) {
	signedIn := map[string]bool{}
	var first []string
	for _, account := range accounts {
		switch {
		case account.Access.Sessions > 0:
			signedIn[account.NativeID] = true
		case account.State == compare.Enabled && fresh[account.NativeID]:
			first = append(first, account.NativeID)
		}
	}
	if len(first) == 0 {
		return signedIn, nil
	}
	bar := newProgress(p.errOut, "people signed in to "+target.name, len(first))
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for _, nativeID := range first {
		group.Go(func() error {
			if err := target.signIn(ctx, nativeID); err != nil {
				return fmt.Errorf("sign account %s in: %w", nativeID, err)
			}
			mu.Lock()
			defer mu.Unlock()
			bar.add(1)
			signedIn[nativeID] = true
			return nil
		})
	}
	err := group.Wait()
	if err != nil {
		bar.clear()
	}
	return signedIn, err
}
