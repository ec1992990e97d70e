package main

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// scimGroups are times of requests on a small Group and a large one, by round. Of each pair the first is the small one's.
type scimGroups struct {
	small, large int          // members
	add, read    [2][]float64 // ms, the median of a round
	put          []float64    // seconds, of each
}

const (
	repeats         = 50 // requests of a kind on each Group, a round
	withoutMembers  = "?excludedAttributes=members"
	groupResource   = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"`
	putsOfARound    = 2
	medianOfSamples = 50 // per cent
)

// measureGroups sends requests to a Group of ten and to a large one in turn, on one connection.
func (d *directory) measureGroups(ctx context.Context, o options) (scimGroups, error) {
	r := scimGroups{small: teamSize, large: len(d.users) / partInLarge}
	var paths [2]string
	for i, size := range []int{r.small, r.large} {
		on := d.client.all[0]
		answer, err := on.call(http.MethodPost, "/Groups"+withoutMembers, groupBody("Sized", d.users[:size]), http.StatusCreated, "")
		if err != nil {
			return r, err
		}
		paths[i] = "/Groups/" + field(answer, "id")
	}
	err := takeTurns(o.rounds, 1, func(round, _ int) error {
		var add, read [2][]time.Duration
		for n := range repeats {
			if err := ctx.Err(); err != nil {
				return err
			}
			// Somebody who is in neither, another each time.
			member := d.users[r.large+(round*repeats+n)%(len(d.users)-r.large)]
			for i, path := range paths {
				if err := d.comeAndGo(path, member, &add[i], &read[i]); err != nil {
					return err
				}
			}
		}
		puts, err := d.replaceMembers(paths[1], r.large)
		if err != nil {
			return err
		}
		r.note(round, add, read, puts)
		return nil
	})
	return r, err
}

// note keeps the medians of a round.
func (r *scimGroups) note(round int, add, read [2][]time.Duration, puts []float64) {
	for i := range add {
		slices.Sort(add[i])
		slices.Sort(read[i])
		step("round %d: group of %5d: add a member %.2f ms, read without members %.2f ms", round, []int{r.small, r.large}[i],
			ms(percentile(add[i], medianOfSamples)), ms(percentile(read[i], medianOfSamples)))
		if round > 0 {
			r.add[i], r.read[i] = append(r.add[i], ms(percentile(add[i], medianOfSamples))), append(r.read[i], ms(percentile(read[i], medianOfSamples)))
		}
	}
	step("round %d: PUT with %d members %.2f s", round, r.large, puts)
	if round > 0 {
		r.put = append(r.put, puts...)
	}
}

// comeAndGo times the adding of a member and the reading of the Group, both answered without members, and takes the member
// out again.
func (d *directory) comeAndGo(path string, member uuid.UUID, add, read *[]time.Duration) error {
	on := d.client.all[0]
	began := time.Now()
	if err := on.patch(path+withoutMembers, addMember(member), `"displayName"`); err != nil {
		return err
	}
	*add = append(*add, time.Since(began))
	began = time.Now()
	if _, err := on.get(path+withoutMembers, `"displayName"`); err != nil {
		return err
	}
	*read = append(*read, time.Since(began))
	return on.patch(path+withoutMembers, `{"op":"remove","path":"members[value eq \"`+member.String()+`\"]"}`, `"displayName"`)
}

// replaceMembers times PUTs that put others in the place of all members, and then the first ones back. They are answered
// with the members.
func (d *directory) replaceMembers(path string, size int) ([]float64, error) {
	var took []float64
	for i := range putsOfARound {
		others := (i + 1) % putsOfARound * size
		members := d.users[others:][:size]
		body := groupBody("Sized", members)
		began := time.Now()
		if _, err := d.client.all[0].call(http.MethodPut, path, body, http.StatusOK, members[size-1].String()); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began).Seconds())
	}
	return took, nil
}

func groupBody(name string, members []uuid.UUID) string {
	var b strings.Builder
	b.WriteString(groupResource + name + `","members":[`)
	for i, id := range members {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"value":"` + id.String() + `"}`)
	}
	b.WriteString("]}")
	return b.String()
}
