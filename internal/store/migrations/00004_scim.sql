-- +goose Up
-- What SCIM clients see: users, groups and who is a member of what. The resource is the truth of a row; the columns that
-- filters and uniqueness need are generated from it, so that they cannot disagree.
--
-- Row level security decides what an index is good for: a condition of ours may be looked up in an index only when its
-- operator is leakproof, and lower(), LIKE and the operators of arrays and jsonb are not. Hence columns with the folded
-- text in them, compared by = and < alone, and a table for the values of emails in the place of an array with a GIN index.

-- scim_fold is the form in which texts are compared without regard to case: each character in lower case by itself, the
-- same as scim.Fold. ICU's lower() does so but for two characters, and does not depend on the database's locale.
-- +goose StatementBegin
create function scim_fold(value text) returns text language sql immutable strict parallel safe
  return lower(translate(value, 'Σİ', 'σi') collate "und-x-icu") collate "C";
-- +goose StatementEnd

-- scim_time reads a dateTime of a resource. One without a zone is UTC (as in scim); what is none, and is left from another
-- version of an organization's schema, is null. It needs a subtransaction to say so, which no parallel worker may have.
-- +goose StatementBegin
create function scim_time(value text) returns timestamptz language plpgsql immutable strict parallel unsafe as $$
begin
  return (case when value ~ '(Z|[+-]\d\d:\d\d)$' then value else value || 'Z' end)::timestamptz;
exception when data_exception then
  return null;
end $$;
-- +goose StatementEnd

create table scim_users (
  org              text not null references organizations,
  id               uuid not null, -- what clients see; the identity's id in the ordinary case
  identity_id      uuid,          -- null while a case about the person is open
  source           text not null,
  resource         jsonb not null,
  user_name_key    text collate "C" not null generated always as (scim_fold(resource->>'userName')) stored,
  external_id      text collate "C" generated always as (resource->>'externalId') stored,
  display_name_key text collate "C" generated always as (scim_fold(resource->>'displayName')) stored,
  active           boolean generated always as ((resource->'active')::boolean) stored,
  version          bigint not null default 1,
  created_at       timestamptz not null default now(),
  modified_at      timestamptz not null default now(),
  deleted_at       timestamptz, -- the row stays for a rehire; clients see a deleted resource no more
  primary key (org, id),
  foreign key (org, identity_id) references identities (org, id)
);
create unique index scim_users_user_name on scim_users (org, user_name_key) where deleted_at is null;
-- Clients choose externalIds, and nobody enforces that they are unique (RFC 7643, section 3.1). Deleted users are found by
-- theirs, too, for a rehire.
create index scim_users_external_id on scim_users (org, external_id, source);
create index scim_users_display_name on scim_users (org, display_name_key, id) where deleted_at is null;
create index scim_users_created on scim_users (org, created_at, id) where deleted_at is null;
create index scim_users_modified on scim_users (org, modified_at, id) where deleted_at is null;
create index scim_users_active on scim_users (org, active, created_at, id) where deleted_at is null;
create index scim_users_identity on scim_users (org, identity_id) where identity_id is not null;

-- The values of a user's emails, folded, while the user is not deleted.
create table scim_emails (
  org     text not null,
  value   text collate "C" not null,
  user_id uuid not null,
  primary key (org, value, user_id),
  foreign key (org, user_id) references scim_users (org, id) on delete cascade
);
create index scim_emails_user on scim_emails (org, user_id);

create table scim_groups (
  org              text not null references organizations,
  id               uuid not null,
  source           text not null,
  resource         jsonb not null,
  external_id      text collate "C" generated always as (resource->>'externalId') stored,
  display_name_key text collate "C" not null generated always as (scim_fold(resource->>'displayName')) stored,
  member_count     int not null default 0,
  version          bigint not null default 1,          -- raised by a change of the members, too
  created_at       timestamptz not null default now(),
  modified_at      timestamptz not null default now(), -- the same
  primary key (org, id)
);
create index scim_groups_external_id on scim_groups (org, external_id, source);
create index scim_groups_display_name on scim_groups (org, display_name_key, id);
create index scim_groups_created on scim_groups (org, created_at, id);
create index scim_groups_modified on scim_groups (org, modified_at, id);

-- A member is a row of scim_users that is not deleted, or of scim_groups; who deletes either deletes its memberships.
create table scim_members (
  org       text not null,
  group_id  uuid not null,
  member_id uuid not null,
  kind      text not null check (kind in ('User','Group')),
  added_at  timestamptz not null default now(),
  primary key (org, group_id, member_id),
  foreign key (org, group_id) references scim_groups (org, id)
);
create index scim_members_member on scim_members (org, member_id, group_id);

-- How many live rows there are, so that a list of everything need not count them. A backend adds to a slot of its own as far
-- as there are enough, so that writers do not wait for each other.
create table scim_counts (
  org  text not null,
  kind text not null check (kind in ('User','Group')),
  slot int not null,
  n    bigint not null,
  primary key (org, kind, slot)
) with (fillfactor = 50);
-- +goose StatementBegin
create function scim_count(of_org text, of_kind text, more bigint) returns void language sql
begin atomic
  insert into scim_counts as c (org, kind, slot, n) values (of_org, of_kind, pg_backend_pid() % 64, more)
  on conflict (org, kind, slot) do update set n = c.n + excluded.n;
end;
-- +goose StatementEnd
-- +goose StatementBegin
create function scim_users_added() returns trigger language plpgsql as $$
begin
  perform scim_count(org, 'User', count(*)) from added where deleted_at is null group by org;
  return null;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function scim_user_deleted() returns trigger language plpgsql as $$
begin
  perform scim_count(new.org, 'User', case when new.deleted_at is null then 1 else -1 end);
  return null;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function scim_groups_changed() returns trigger language plpgsql as $$
begin
  perform scim_count(org, 'Group', case tg_op when 'INSERT' then count(*) else -count(*) end) from changed group by org;
  return null;
end $$;
-- +goose StatementEnd
create trigger count_added after insert on scim_users referencing new table as added
  for each statement execute function scim_users_added();
create trigger count_deleted after update of deleted_at on scim_users
  for each row when ((old.deleted_at is null) <> (new.deleted_at is null)) execute function scim_user_deleted();
create trigger count_added after insert on scim_groups referencing new table as changed
  for each statement execute function scim_groups_changed();
create trigger count_deleted after delete on scim_groups referencing old table as changed
  for each statement execute function scim_groups_changed();

-- The key that seals the cursors of an organization's lists: they hold values that were sorted by.
alter table organizations add column cursor_key bytea not null
  default sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'));

-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['scim_users','scim_emails','scim_groups','scim_members','scim_counts'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy one_organization on %I to tenure_app using (org = current_setting(''tenure.org'', true)) with check (org = current_setting(''tenure.org'', true))', t);
  end loop;
end $$;
-- +goose StatementEnd
grant select, insert, update on scim_users to tenure_app;
grant select, insert, update, delete on scim_groups to tenure_app;
grant select, insert, delete on scim_emails, scim_members to tenure_app;
grant select, insert, update on scim_counts to tenure_app;

comment on table organizations is '4';

-- +goose Down
drop table scim_members, scim_groups, scim_emails, scim_users;
drop function scim_users_added, scim_user_deleted, scim_groups_changed, scim_count;
drop table scim_counts;
drop function scim_time(text);
drop function scim_fold(text);
alter table organizations drop column cursor_key;
comment on table organizations is '3';
