-- +goose Up
-- What this installation and its Temporal each remember of the other, to notice that one of them was set back to a
-- backup: docs/protocol.md, "Recovery". There is one row, which no role may delete.
create table watermark (
  one          boolean primary key default true check (one),
  installation uuid not null default gen_random_uuid(),
  raised       bigint not null default 0, -- raised here before it is written to Temporal
  seen         bigint not null default 0  -- the greatest that was read from Temporal
);
insert into watermark default values;
grant select, update (raised, seen) on watermark to tenure_engine;

comment on table organizations is '3';

-- +goose Down
drop table watermark;
comment on table organizations is '2';
