package model

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Protocols that are broken on purpose, by triggers in the test's database or by what the simulation leaves out. Where
// two protections overlap the second is off as well, and the comment says why.

// keepEpoch makes an epoch that never rises; the attempts carry the same one (variant.noFence), so that every one of
// them may go on calling and commit.
const keepEpoch = `
create function keep_epoch() returns trigger language plpgsql as $$ begin new.epoch := 1; return new; end $$;
create trigger keep_epoch before insert or update on accounts for each row execute function keep_epoch();`

// dropMerge makes a second poke of an identity vanish instead of merging.
const dropMerge = `
create function drop_merge() returns trigger language plpgsql as $$ begin
	if new.fence <> old.fence then return null; end if;
	return new;
end $$;
create trigger drop_merge before update on outbox for each row execute function drop_merge();`

// earlySequence numbers the versions as a sequence would whose numbers are drawn before the row is locked: of any two
// transactions, the one that drew first commits last.
const earlySequence = `
create table draws (identity_id uuid primary key, n bigint not null);
create function early_sequence() returns trigger language plpgsql as $$ declare drawn bigint; begin
	if tg_op = 'UPDATE' and new.version = old.version then return new; end if;
	insert into draws as d values (new.id, 1) on conflict (identity_id) do update set n = d.n + 1 returning n into drawn;
	new.version := case when drawn % 2 = 1 then drawn + 1 else drawn - 1 end;
	return new;
end $$;
create trigger early_sequence before insert or update on identities for each row execute function early_sequence();
create function early_poke() returns trigger language plpgsql as $$ begin
	select version into new.version from identities where org = new.org and id = new.identity_id;
	return new;
end $$;
create trigger early_poke before insert on outbox for each row execute function early_poke();
grant all on draws to public;`

// settleEarly writes that a person is settled when the plan is made, not when its work is done.
const settleEarly = `
create function settle_early() returns trigger language plpgsql as $$ begin
	update identities set settled_version = new.version where org = new.org and id = new.identity_id;
	return new;
end $$;
create trigger settle_early after insert on plans for each row execute function settle_early();`

// neverConfirm believes the first reading.
const neverConfirm = `
create function never_confirm() returns trigger language plpgsql as $$ begin
	if new.confirm_due_at is not null then
		new.confirm_due_at := null;
		new.confirmed_at := new.verified_at;
	end if;
	return new;
end $$;
create trigger never_confirm before update on accounts for each row execute function never_confirm();`

// believeOld keeps believing what was verified before a plan that was never finished.
const believeOld = `
create function believe_old() returns trigger language plpgsql as $$ begin
	if new.plan_id <> old.plan_id then new.applied_digest := old.applied_digest; end if;
	return new;
end $$;
create trigger believe_old before update on accounts for each row execute function believe_old();`

// repeatFence lets the fencing number begin anew with every row of the outbox.
const repeatFence = `
create function repeat_fence() returns trigger language plpgsql as $$ begin
	new.fence := case when tg_op = 'UPDATE' and new.fence <> old.fence then old.fence + 1 when tg_op = 'UPDATE' then old.fence else 1 end;
	return new;
end $$;
create trigger repeat_fence before insert or update on outbox for each row execute function repeat_fence();`

// Attempts that live on unheard are all that goes wrong.
func frozen(n *nature)     { *n = nature{losses: 15, frost: 15, hurry: 8} }
func terminated(n *nature) { n.terminates = 15 }
func delayed(n *nature)    { n.cuts, n.delays, n.losses = 0.2, 0.9, 10 }
func abrupt(n *nature)     { n.abrupt = 0.3 }

func TestModelFindsABrokenProtocol(t *testing.T) {
	t.Parallel()
	for _, broken := range []struct {
		name    string
		variant variant
		control variant // what must not go wrong, so that it is the fault that was found
		within  int     // seeds
	}{
		// What the fence lets through is mended by the confirmation, later: it is off in both.
		{"no fence", variant{sql: keepEpoch + neverConfirm, noFence: true, tilt: frozen}, variant{sql: neverConfirm, tilt: frozen}, 1500},
		{"no sweeper", variant{noSweeper: true}, variant{}, 200},
		// The sweeper would find a poke that was lost, later; it is off, and so is what nothing but a sweeper mends.
		{"merge that drops", variant{sql: dropMerge, noSweeper: true, calm: true}, variant{noSweeper: true, calm: true}, 200},
		{"version by the order of drawing", variant{sql: earlySequence, resetSQL: "delete from draws;"}, variant{}, 200},
		{"no convergence", variant{blind: true}, variant{}, 200},
		{"settled too early", variant{sql: settleEarly, tilt: terminated}, variant{tilt: terminated}, 400},
		{"no confirmation", variant{sql: neverConfirm, tilt: delayed}, variant{tilt: delayed}, 800},
		{"believes what an unfinished plan may have changed", variant{sql: believeOld, tilt: abrupt}, variant{tilt: abrupt}, 1500},
		{"a fencing number that repeats", variant{sql: repeatFence}, variant{}, 400},
	} {
		t.Run(broken.name, func(t *testing.T) {
			t.Parallel()
			found := findBy(t, broken.variant, broken.control, broken.within)
			require.NotNil(t, found, "%d seeds did not find that the protocol is broken", broken.within)
			t.Logf("%s: found by seed %d: %s", broken.name, found.seed, found.failure)
		})
	}
}

// findBy plays a broken protocol until something goes wrong that does not go wrong with the same seed in the control.
func findBy(t *testing.T, v, control variant, within int) *world {
	t.Helper()
	l, sound := newLaboratory(t, v), newLaboratory(t, control)
	for seed := range within {
		w := play(t.Context(), l, uint64(seed+1))
		if w.failure == "" {
			continue
		}
		c := play(t.Context(), sound, w.seed)
		switch {
		case c.failure == "":
			return w
		case control.sql == "":
			t.Fatal("with nothing broken: " + c.story())
		}
	}
	return nil
}

// TestCalmWorldsNeedNoSweeper shows that the variant that has neither sweeper nor terminated runs is found by its fault.
func TestCalmWorldsNeedNoSweeper(t *testing.T) {
	t.Parallel()
	if failed, _ := playAll(t, variant{noSweeper: true, calm: true}, 1, 60); failed != nil {
		t.Fatal(failed.story())
	}
}

// TestASeedRepeats plays some worlds twice: to the letter the same happens.
func TestASeedRepeats(t *testing.T) {
	t.Parallel()
	first, second := newLaboratory(t, variant{}), newLaboratory(t, variant{})
	for seed := range 15 {
		once := play(t.Context(), first, uint64(seed+1))
		twice := play(t.Context(), second, uint64(seed+1))
		require.Equal(t, once.log, twice.log, "seed %d", seed+1)
	}
}
