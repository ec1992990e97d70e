-- +goose Up
-- The newest request that asked for the poke, empty when none did: the run's memo and the audit name it too.
alter table outbox add column request_id text not null default '';

comment on table organizations is '5';

-- +goose Down
alter table outbox drop column request_id;
comment on table organizations is '4';
