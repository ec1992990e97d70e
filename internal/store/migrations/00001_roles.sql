-- +goose Up
-- Roles belong to the whole cluster, so two databases may create them at the same moment.
-- +goose StatementBegin
do $$
begin
  begin create role tenure_app nologin; exception when duplicate_object or unique_violation then null; end;
  begin create role tenure_engine nologin; exception when duplicate_object or unique_violation then null; end;
end $$;
-- +goose StatementEnd
grant usage on schema public to tenure_app, tenure_engine;

-- +goose Down
select 1;
