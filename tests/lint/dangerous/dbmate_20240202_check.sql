-- finds: constraint-missing-not-valid error
-- migrate:up
alter table devices add constraint devices_name_check check (length(name) < 200);

-- migrate:down
alter table devices drop constraint devices_name_check;
