-- A new, empty log in the place of one that VACUUM cannot shorten. To be run under ACCESS EXCLUSIVE on the log: then whoever
-- has written into it has ended, and whoever waits to write finds the new one by its name. What is still to be replayed goes
-- from the old one into the new one right afterwards: log_whole.sql. Placeholders as in log.sql; @quote@ as in
-- capture_functions.sql.
-- The job may have been begun by another role, whose trigger functions write into the log: so the new one gets the old
-- one's owner, rights, tablespace and storage options, whoever makes it and whatever his defaults are.
DO $@quote@$
DECLARE
    log      CONSTANT text := quote_ident(@job_name@) || '.pgeist_log';
    before   record;
    given    record;
BEGIN
    SELECT c.oid, pg_get_userbyid(c.relowner) AS owner, coalesce(c.relacl, acldefault('r', c.relowner)) AS rights,
           coalesce(s.spcname, '') AS space, array_to_string(c.reloptions || ARRAY(
               SELECT 'toast.' || option FROM pg_class t, unnest(t.reloptions) AS option WHERE t.oid = c.reltoastrelid), ', ') AS options
      INTO STRICT before
      FROM pg_class c LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace WHERE c.oid = to_regclass(log);
    PERFORM set_config('default_tablespace', before.space, true);
    ALTER TABLE @job@.pgeist_log RENAME TO pgeist_log_before;
    CREATE TABLE @job@.pgeist_log (@key_columns@@beside_the_key@) WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off);
    ALTER TABLE @job@.pgeist_log REPLICA IDENTITY FULL;
    PERFORM set_config('default_tablespace', '', true);
    IF before.options <> '' THEN
        EXECUTE format('ALTER TABLE %s SET (%s)', log, before.options);
    END IF;
    EXECUTE format('ALTER TABLE %s OWNER TO %I', log, before.owner);
    IF (SELECT coalesce(c.relacl, acldefault('r', c.relowner)) <> before.rights FROM pg_class c WHERE c.oid = to_regclass(log)) THEN
        FOR given IN SELECT DISTINCT CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END AS grantee
                       FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS x WHERE c.oid = to_regclass(log) LOOP
            EXECUTE format('REVOKE ALL ON %s FROM %s CASCADE', log, given.grantee);
        END LOOP;
        FOR given IN SELECT x.privilege_type AS privilege, x.is_grantable,
                            CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END AS grantee
                       FROM aclexplode(before.rights) AS x LOOP
            EXECUTE format('GRANT %s ON %s TO %s%s', given.privilege, log, given.grantee,
                           CASE WHEN given.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
        END LOOP;
    END IF;
END $@quote@$;
