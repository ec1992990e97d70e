-- +goose Up
-- Every table of an organization has row level security forced: without the setting tenure.org there are no rows. The
-- role tenure_app reads and writes one organization at a time; tenure_engine (relay and sweeper) sees the columns
-- granted to it, of all organizations, and none that holds personal data.

create table organizations (
  id             text primary key check (id ~ '^[a-z0-9][a-z0-9-]{0,30}$'),
  name           text not null,
  created_at     timestamptz not null default now(),
  policy_version bigint not null default 0,
  audit_epoch    int not null default 1,
  -- held_since is set while nothing may be granted or enabled: this database was set back behind Temporal.
  held_since     timestamptz
);

create table tokens (
  org          text not null references organizations,
  id           uuid primary key,
  name         text not null,
  digest       bytea not null unique,
  scopes       text[] not null,
  created_at   timestamptz not null default now(),
  expires_at   timestamptz not null,
  last_used_at timestamptz,
  revoked_at   timestamptz
);

create table policies (
  org        text not null references organizations,
  version    bigint not null,
  hash       text not null,
  document   jsonb not null,
  applied_by text not null,
  applied_at timestamptz not null default now(),
  primary key (org, version)
);

create table identities (
  org             text not null references organizations,
  id              uuid not null,
  version         bigint not null default 1,
  state           text not null check (state in ('staged','active','suspended','left')),
  attributes      jsonb not null default '{}',
  starts_at       timestamptz,
  ends_at         timestamptz,
  immediate       boolean not null default false,
  reason          text not null default '',
  user_name       text not null default '',
  mail            text not null default '',
  manager_key     text not null default '',
  manager_id      uuid,
  -- left_at is when the leave in force took effect for us: the anchor of the tiers. Null while the person has not left.
  left_at         timestamptz,
  -- as_of is the moment for which the row was last computed; nobody computes it for an earlier one.
  as_of           timestamptz not null default '-infinity',
  settled_version bigint not null default 0,
  settled_policy  bigint not null default 0,
  settled_at      timestamptz,
  next_due_at     timestamptz,
  next_due_class  int not null default 3,
  poked_at        timestamptz, -- by a delivered poke
  swept_at        timestamptz, -- by the sweeper, whatever it found
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  primary key (org, id)
);
create index identities_unresolved_manager on identities (org, manager_key) where manager_id is null and manager_key <> '';
create index identities_manager on identities (org, manager_id) where manager_id is not null;
create index identities_unsettled on identities (swept_at nulls first) where settled_version < version;
create index identities_in_flight on identities (org, poked_at) where settled_version < version;
create index identities_due on identities (next_due_at) where next_due_at is not null;
create index identities_policy on identities (org, settled_policy);
create index identities_email on identities (org, lower(attributes->>'email'));
create index identities_user_name on identities (org, lower(user_name));
create index identities_family_name on identities (org, lower(attributes->>'familyName'));
create index identities_employee on identities (org, (attributes->>'employeeId'));
create index identities_employee_folded on identities (org, lower(attributes->>'employeeId'));

create table names (
  org         text not null,
  rule        text not null,
  value       text not null, -- case-folded
  identity_id uuid not null,
  created_at  timestamptz not null default now(),
  primary key (org, rule, value),
  foreign key (org, identity_id) references identities (org, id)
);
create index names_identity on names (org, identity_id);

-- One row an event: together the timeline of each (source, person, relationship).
create table source_records (
  org             text not null references organizations,
  origin          text not null, -- the CloudEvents source: with the event's id it names the event
  event_id        text not null,
  source          text not null, -- the configured source that the origin belongs to
  type            text not null,
  employee_id     text not null,
  relationship_id text not null,
  sequence        text not null,
  observed_at     timestamptz not null,
  received_at     timestamptz not null,
  effective       text not null, -- the effectiveDate as given: a date or an instant; empty: none
  rescinds        text not null,
  patch           jsonb not null,
  identity_id     uuid,
  effect          text not null,
  primary key (org, origin, event_id)
);
create index source_records_person on source_records (org, source, employee_id);

-- Which identity a source's person is. Without an identity while a case about it is open.
create table source_links (
  org         text not null references organizations,
  source      text not null,
  employee_id text not null,
  identity_id uuid,
  created_at  timestamptz not null default now(),
  primary key (org, source, employee_id),
  foreign key (org, identity_id) references identities (org, id)
);
create index source_links_identity on source_links (org, identity_id);
create index source_links_person on source_links (org, employee_id);

create table cases (
  org         text not null references organizations,
  id          uuid not null,
  source      text not null,
  employee_id text not null,
  candidates  uuid[] not null,
  rule        text not null,
  opened_at   timestamptz not null default now(),
  resolved_at timestamptz,
  resolution  text check (resolution in ('link','keep_apart')),
  resolved_by text,
  identity_id uuid,
  primary key (org, id)
);
create unique index cases_open on cases (org, source, employee_id) where resolved_at is null;

create table targets (
  org           text not null references organizations,
  name          text not null,
  connector     text not null,
  health        text not null default 'up' check (health in ('up','degraded','down','paused')),
  health_since  timestamptz not null default now(),
  health_reason text not null default '',
  probed_at     timestamptz,
  retired_at    timestamptz, -- no longer in the policy
  primary key (org, name)
);
create index targets_down on targets (health) where health <> 'up';

create table accounts (
  org              text not null,
  id               uuid not null,
  identity_id      uuid not null,
  target           text not null,
  native_id        text,
  correlate_values text[] not null default '{}', -- find the account in the target before its native id is known
  state            text not null check (state in ('pending','active','disabled','archived','deleted')),
  -- epoch is the fence: an attempt that began under another epoch may not commit its outcome.
  epoch            bigint not null default 1,
  plan_id          text not null default '',
  plan_digest      bytea not null default '', -- of what the newest plan asks of this account
  applied_digest   bytea not null default '', -- of what was last verified in the target
  applied          jsonb, -- what was last verified in the target: attributes, enabled
  reasons          jsonb not null default '[]', -- why policy gives the account
  policy           bigint not null default 0,   -- the policy's version that gave them
  outcome          text not null default '' check (outcome in ('','applied','failed','blocked','held')),
  outcome_version  bigint not null default 0,
  outcome_policy   bigint not null default 0,
  first_failure_at timestamptz,
  blocked_since    timestamptz,
  retry_at         timestamptz,
  attempts         int not null default 0,
  -- in_flight_until: until then, a request of an attempt that nobody saw the end of may still take effect.
  in_flight_until  timestamptz,
  -- disabling: a request of our own may have disabled the account, or may still, without anybody having seen it.
  disabling        boolean not null default false,
  verified_at      timestamptz,
  confirmed_at     timestamptz,
  confirm_due_at   timestamptz,
  created_at       timestamptz not null default now(),
  updated_at       timestamptz not null default now(),
  primary key (org, id),
  unique (org, identity_id, target),
  foreign key (org, identity_id) references identities (org, id)
);
create unique index accounts_native on accounts (org, target, native_id) where native_id is not null;
create index accounts_blocked on accounts (org, target) where outcome = 'blocked';

create table grants (
  org         text not null,
  account_id  uuid not null,
  kind        text not null,
  name        text not null,
  native_id   text not null default '',
  state       text not null check (state in ('pending','active','revoked')),
  reasons     jsonb not null,
  policy      bigint not null,
  granted_at  timestamptz,
  revoked_at  timestamptz,
  verified_at timestamptz,
  primary key (org, account_id, kind, name),
  foreign key (org, account_id) references accounts (org, id)
);

create table plans (
  org         text not null,
  id          text not null, -- run id, slash, ordinal
  identity_id uuid not null,
  version     bigint not null,
  policy      bigint not null,
  stage       text not null,
  as_of       timestamptz not null,
  result      jsonb not null, -- what the workflow was answered: ids only
  steps       jsonb not null, -- what each account should become; personal
  created_at  timestamptz not null default now(),
  primary key (org, id),
  foreign key (org, identity_id) references identities (org, id)
);
create index plans_identity on plans (org, identity_id, created_at);

create table operations (
  org           text not null,
  id            uuid not null,
  identity_id   uuid not null,
  account_id    uuid, -- null: the plan itself
  plan_id       text not null,
  target        text not null,
  action        text not null,
  status        text not null check (status in ('requested','running','done','verified','confirmed','failed','blocked','superseded','unsupported','held')),
  tier          int,
  deadline_at   timestamptz,
  requested_at  timestamptz not null,
  started_at    timestamptz,
  done_at       timestamptz,
  verified_at   timestamptz,
  confirmed_at  timestamptz,
  attempts      int not null default 0,
  error_code    text not null default '',
  error_detail  text not null default '',
  evidence      jsonb not null default '{}',
  primary key (org, id),
  unique (org, identity_id, plan_id, target, action),
  foreign key (org, account_id) references accounts (org, id)
);
create index operations_identity on operations (org, identity_id, requested_at);
create index operations_open on operations (org, status, requested_at) where status in ('requested','running','failed','blocked','held');
create index operations_account on operations (org, account_id) where status in ('requested','running','done','verified','blocked','failed','held');

-- The fencing number of the outbox never repeats, also for rows that come after one that was deleted.
create sequence outbox_fence;

create table outbox (
  org          text not null,
  identity_id  uuid not null,
  version      bigint not null,
  class        int not null,
  due_at       timestamptz,
  fence        bigint not null default nextval('outbox_fence'),
  leased_until timestamptz,
  attempts     int not null default 0,
  created_at   timestamptz not null default now(),
  primary key (org, identity_id),
  foreign key (org, identity_id) references identities (org, id)
);
create index outbox_urgency on outbox (class, created_at);
create index outbox_turns on outbox (org, class, created_at);

-- Append-only: the application may insert and read, and nobody else does. The sealing that comes later reads rows whose
-- transaction is below the oldest one running (xact), hashes ciphertext and detail, and keeps its tree elsewhere.
create table audit (
  org         text not null references organizations,
  id          bigint generated always as identity,
  xact        xid8 not null default pg_current_xact_id(),
  epoch       int not null,
  at          timestamptz not null default clock_timestamp(),
  actor       text not null, -- "token:<id>", "run:<workflow run>", "system:<part>", "cli:<user>"
  action      text not null,
  object_type text not null,
  object_id   text not null,
  identity_id uuid,
  request_id  text not null default '',
  detail      jsonb not null default '{}', -- codes, ids and names of attributes; never their values
  key_id      uuid,  -- of the identity's key that encrypts ciphertext
  ciphertext  bytea, -- personal detail
  primary key (org, id)
);
create index audit_identity on audit (org, identity_id, id);

-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['tokens','policies','identities','names','source_records','source_links','cases','targets',
                           'accounts','grants','plans','operations','outbox','audit'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy one_organization on %I to tenure_app using (org = current_setting(''tenure.org'', true)) with check (org = current_setting(''tenure.org'', true))', t);
  end loop;
  foreach t in array array['identities','outbox','accounts','targets'] loop
    execute format('create policy engine on %I to tenure_engine using (true) with check (true)', t);
  end loop;
  create policy engine on tokens to tenure_engine using (true);
end $$;
-- +goose StatementEnd
alter table organizations enable row level security;
alter table organizations force row level security;
create policy one_organization on organizations to tenure_app
  using (id = current_setting('tenure.org', true)) with check (id = current_setting('tenure.org', true));
create policy engine on organizations to tenure_engine using (true);

grant select, insert, update on organizations, tokens, identities, source_records, source_links, cases, targets, accounts,
  grants, operations to tenure_app;
grant select, insert on policies, plans, audit to tenure_app;
grant select, insert, update, delete on names, outbox to tenure_app;

grant select, insert, update, delete on outbox to tenure_engine;
grant usage on sequence outbox_fence to tenure_app, tenure_engine;
grant select (org, id, version, state, left_at, settled_version, settled_policy, next_due_at, next_due_class, poked_at, swept_at) on identities to tenure_engine;
grant update (poked_at, swept_at) on identities to tenure_engine;
grant select (org, identity_id, target, outcome) on accounts to tenure_engine;
grant select (id, policy_version, held_since) on organizations to tenure_engine;
grant select (org, id, digest, scopes, expires_at, revoked_at, last_used_at) on tokens to tenure_engine;
grant update (last_used_at) on tokens to tenure_engine;
grant select (org, name, health, health_since, retired_at) on targets to tenure_engine;

-- The application cannot read goose's table; it reads the schema's version here.
comment on table organizations is '2';

-- +goose Down
drop sequence outbox_fence cascade;
drop table audit, outbox, operations, plans, grants, accounts, targets, cases, source_links, source_records, names,
  identities, policies, tokens, organizations cascade;
