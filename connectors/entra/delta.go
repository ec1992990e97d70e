package entra

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// Removal is how a user went who is reported as removed (graph/delta-query-overview).
type Removal string

// The ways in which a user can be gone.
const (
	NotRemoved Removal = ""
	// RemovedRestorable is a user in deletedItems.
	RemovedRestorable Removal = "changed"
	// RemovedForGood is a user who is no longer even there.
	RemovedForGood Removal = "deleted"
)

// Change is one user who was created, changed or removed. The same user may come several times, in any order of pages.
type Change struct {
	NativeID string
	Removed  Removal
}

// Changes is one page of what has changed. It may be empty and not the last.
type Changes struct {
	Items []Change
	// Full says that the page is part of a reading of everyone, and no small change: when it has come to its end, whoever no
	// page of it named is gone.
	Full bool
	// Anew says that such a reading begins with this page: forget what the pages before it said, back to the last one that
	// had no more.
	Anew bool
	// Token is how to go on: with the next page when More is true, else with what changes from now on. It is valid for a
	// bounded time.
	Token string
	More  bool
}

// fullMark stands before the tokens of the pages of a full reading. Graph's own addresses do not tell which those are.
const fullMark = "full "

// Changes reads who was created, changed or removed since the token was given (graph/api/user-delta); an empty token reads
// everyone. A token that has expired (410, graph/delta-query-overview, "Synchronization reset") does so too, at once and in
// the same answer, wherever a reading had come to. It answers ids, since a page may hold an older state than the directory:
// read the account to know what is.
//
// It is for reconciliation, which looks for what was changed in the directory behind Tenure's back and need not list everyone
// each time.
func (c *Connector) Changes(ctx context.Context, token string) (Changes, error) {
	link, full := strings.CutPrefix(token, fullMark)
	out, err := c.changes(ctx, link)
	if errors.Is(err, errExpired) && link != "" {
		link = ""
		out, err = c.changes(ctx, "")
	}
	if err != nil {
		return Changes{}, err
	}
	out.Anew = link == ""
	out.Full = full || out.Anew
	if out.Full && out.More {
		out.Token = fullMark + out.Token
	}
	return out, nil
}

// changes reads one page; no link is the first of everyone.
func (c *Connector) changes(ctx context.Context, link string) (Changes, error) {
	selected := c.selection()
	if c.settings.manager {
		selected += "," + attributeManager // only what is selected is watched
	}
	req := call{
		action: "read changes", method: http.MethodGet, template: "/users/delta", link: link, query: map[string]string{"select": selected},
	}
	p, err := c.client.page(ctx, req)
	if err != nil {
		return Changes{}, err
	}
	out := Changes{Items: make([]Change, 0, len(*p.Value)), Token: p.Next, More: p.Next != ""}
	if !out.More {
		out.Token = p.Delta
	}
	if c.client.ours(out.Token) != nil {
		return Changes{}, req.rubbish(http.StatusOK, errors.New("the page has no address to go on with, or not one of the target's"))
	}
	for _, user := range *p.Value {
		change, err := changeOf(user)
		if err != nil {
			return Changes{}, req.rubbish(http.StatusOK, err)
		}
		out.Items = append(out.Items, change)
	}
	return out, nil
}

func changeOf(user object) (Change, error) {
	change := Change{NativeID: user.text("id")}
	if checkID(change.NativeID) != nil {
		return Change{}, errors.New("a user has no id")
	}
	removed, ok := user["@removed"].(map[string]any)
	if !ok {
		return change, nil
	}
	switch change.Removed = Removal(object(removed).text("reason")); change.Removed {
	case RemovedRestorable, RemovedForGood:
		return change, nil
	case NotRemoved:
	}
	return Change{}, errors.New("a user was removed for a reason that is not known")
}
