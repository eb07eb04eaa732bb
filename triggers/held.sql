-- The digests of what both sides have in one column, the read side's first, whatever the session's settings are. Placeholders
-- as in unproven.sql; @write_type@ of the write side's column.
CREATE FUNCTION @job@.pgeist_digest_@number@(@read_type@, @write_type@) RETURNS text
LANGUAGE plpgsql STABLE SET DateStyle = 'ISO, YMD' SET IntervalStyle = postgres SET extra_float_digits = 3 SET bytea_output = hex
SET TimeZone = 'UTC' AS 'BEGIN RETURN md5(ROW($1)::text) || md5(ROW($2)::text); END';

