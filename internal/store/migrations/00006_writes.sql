-- +goose Up
-- Users are written one by one, for which a trigger of the row costs a quarter of what one of the statement does with its
-- table of new rows, and a function in PL/pgSQL, whose plan is kept, less than one in SQL.
-- +goose StatementBegin
create or replace function scim_count(of_org text, of_kind text, more bigint) returns void language plpgsql as $$
begin
  insert into scim_counts as c (org, kind, slot, n) values (of_org, of_kind, pg_backend_pid() % 64, more)
  on conflict (org, kind, slot) do update set n = c.n + excluded.n;
end $$;
-- +goose StatementEnd
drop trigger count_added on scim_users;
drop function scim_users_added();
-- +goose StatementBegin
create function scim_user_added() returns trigger language plpgsql as $$
begin
  perform scim_count(new.org, 'User', 1);
  return null;
end $$;
-- +goose StatementEnd
create trigger count_added after insert on scim_users
  for each row when (new.deleted_at is null) execute function scim_user_added();

-- That the organization exists is known of these rows already: who writes one has read the organization in the same
-- transaction, row level security lets them write for no other, and organizations are never deleted. Each check locks the
-- row that all writers of an organization share.
alter table source_records drop constraint source_records_org_fkey;
alter table source_links drop constraint source_links_org_fkey;
alter table scim_users drop constraint scim_users_org_fkey;

comment on table organizations is '6';

-- +goose Down
drop trigger count_added on scim_users;
drop function scim_user_added();
-- +goose StatementBegin
create or replace function scim_count(of_org text, of_kind text, more bigint) returns void language sql
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
create trigger count_added after insert on scim_users referencing new table as added
  for each statement execute function scim_users_added();
alter table source_records add constraint source_records_org_fkey foreign key (org) references organizations;
alter table source_links add constraint source_links_org_fkey foreign key (org) references organizations;
alter table scim_users add constraint scim_users_org_fkey foreign key (org) references organizations;
comment on table organizations is '5';
