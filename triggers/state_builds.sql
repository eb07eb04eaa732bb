-- What version 5 of the state has added, one of several: what a job builds or drops CONCURRENTLY. Placeholders: none.
-- An object a statement, by its kind and name, stored before the statement is begun and taken out when it has done its
-- work: what is found invalid after an interruption is ours only if it stands here. See concurrently/register.hpp.
ALTER TABLE pgeist.jobs ADD COLUMN IF NOT EXISTS builds jsonb NOT NULL DEFAULT '{}';
