-- +goose Up
-- What is asked for one person, or one account, must not read the rows of the others.
--
-- Row level security looks up in an index what is compared by a leakproof operator alone, and lower() and ->> are not: the
-- indexes on them served nobody who is bound by it, and everybody was read for one name. The folded values are columns now.
drop index identities_email, identities_user_name, identities_family_name, identities_employee, identities_employee_folded, identities_policy;
alter table identities
  add column email_key       text generated always as (lower(attributes->>'email')) stored,
  add column user_name_key   text generated always as (lower(user_name)) stored,
  add column family_name_key text generated always as (lower(attributes->>'familyName')) stored,
  add column employee_key    text generated always as (lower(attributes->>'employeeId')) stored;

-- And an index that begins with the organization may stand for the whole of it, see 00007: no two of them where one row is
-- looked up by its key.
create index identities_email on identities (email_key, org);
create index identities_user_name on identities (user_name_key, org);
create index identities_family_name on identities (family_name_key, org);
create index identities_employee on identities (employee_key, org);

alter table accounts drop constraint accounts_org_identity_id_target_key, add unique (identity_id, target, org);

drop index names_identity, source_links_identity, source_links_person, plans_identity, operations_identity, operations_account;
create index names_identity on names (identity_id, org);
create index source_links_identity on source_links (identity_id, org);
create index source_links_person on source_links (employee_id, org);
create index plans_identity on plans (identity_id, created_at, org);
create index operations_identity on operations (identity_id, requested_at, org);
-- What is not over is listed, and counted, for the whole organization. The last condition is true of every row; it keeps the
-- index from those who look up one account's operations.
drop index operations_open;
create index operations_open on operations (org, status, id)
  where status in ('requested','running','failed','blocked','held') and requested_at > '-infinity';
-- Of an account's operations, one plan's are looked up, whatever their status.
create index operations_account on operations (account_id, plan_id, org);
alter table operations drop constraint operations_org_identity_id_plan_id_target_action_key, add unique (identity_id, plan_id, target, action, org);

-- +goose Down
alter table operations drop constraint operations_identity_id_plan_id_target_action_org_key, add unique (org, identity_id, plan_id, target, action);
drop index names_identity, source_links_identity, source_links_person, plans_identity, operations_identity, operations_account;
create index names_identity on names (org, identity_id);
create index source_links_identity on source_links (org, identity_id);
create index source_links_person on source_links (org, employee_id);
create index plans_identity on plans (org, identity_id, created_at);
create index operations_identity on operations (org, identity_id, requested_at);
drop index operations_open;
create index operations_open on operations (org, status, requested_at) where status in ('requested','running','failed','blocked','held');
create index operations_account on operations (org, account_id) where status in ('requested','running','done','verified','blocked','failed','held');
alter table accounts drop constraint accounts_identity_id_target_org_key, add unique (org, identity_id, target);
alter table identities drop column email_key, drop column user_name_key, drop column family_name_key, drop column employee_key;
create index identities_policy on identities (org, settled_policy);
create index identities_email on identities (org, lower(attributes->>'email'));
create index identities_user_name on identities (org, lower(user_name));
create index identities_family_name on identities (org, lower(attributes->>'familyName'));
create index identities_employee on identities (org, (attributes->>'employeeId'));
create index identities_employee_folded on identities (org, lower(attributes->>'employeeId'));
