-- Part of what version 5 of the state has added: jobs whose tables are exchanged in one transaction. Placeholders: none.
-- The number of the first one, which leads: it is the one that is steered, resumed and cleaned up.
ALTER TABLE pgeist.jobs ADD COLUMN IF NOT EXISTS group_id bigint;
