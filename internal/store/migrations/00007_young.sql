-- +goose Up
-- By an index that begins with the organization, a statement that names the organization may as well read all of it: while a
-- table is young and has no statistics, the planner thinks that this costs as much as the primary key, and took it to look
-- up events, the slower the more there were. Whom an event is about is asked with all three columns, in whatever order.
drop index source_records_person;
create index source_records_person on source_records (employee_id, source, org);

-- +goose Down
drop index source_records_person;
create index source_records_person on source_records (org, source, employee_id);
