-- How people who have only psql steer a job. Run after state_tools.sql, and again where a later version has changed it.
-- Placeholders: none.
-- pgeist.steer(3, 'pause'), 'continue', 'swap', 'cancel', 'verify', or (3, 'set', 'workers', '4'): what the commands of
-- these names do. The run obeys within a second; who asked for what, and when, is in pgeist.events.
CREATE OR REPLACE FUNCTION pgeist.steer(job bigint, action text, name text DEFAULT NULL, value text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog AS $steer$
DECLARE
    asked   jsonb;
    leader  bigint;  -- of which the job is a step, or of its group
    request bigint;
    reached text;
BEGIN
    asked := CASE action
        WHEN 'pause' THEN '{"paused": true}'
        WHEN 'continue' THEN '{"paused": false}'
        WHEN 'swap' THEN '{"swap": true}'
        WHEN 'cancel' THEN '{"cancel": true}'
        WHEN 'verify' THEN '{}'
        WHEN 'set' THEN '{}'
    END;
    IF asked IS NULL THEN
        RAISE EXCEPTION 'unknown action "%"', action
            USING ERRCODE = 'invalid_parameter_value', HINT = 'pause, continue, swap, cancel, verify or set';
    END IF;
    IF action = 'set' AND (name IS NULL OR value IS NULL) THEN
        RAISE EXCEPTION 'there is nothing to set'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'pgeist.steer(job, ''set'', ''workers'', ''4'')';
    END IF;
    SELECT coalesce((to_jsonb(j) ->> 'parent')::bigint, (to_jsonb(j) ->> 'group_id')::bigint, j.id) INTO leader FROM pgeist.jobs j WHERE j.id = steer.job;
    UPDATE pgeist.jobs AS j
    SET control = j.control || asked
        || jsonb_build_object('number', coalesce((j.control ->> 'number')::bigint, 0) + 1, 'by', session_user)
        || CASE WHEN action = 'set' THEN jsonb_build_object('set', coalesce(j.control -> 'set', '[]') || jsonb_build_object(
               'number', coalesce((j.control ->> 'number')::bigint, 0) + 1, 'by', session_user,
               'name', steer.name, 'value', steer.value)) ELSE '{}' END
        || CASE WHEN action = 'verify' THEN jsonb_build_object('verify', coalesce((j.control ->> 'number')::bigint, 0) + 1)
                ELSE '{}' END
    WHERE j.id = leader
    RETURNING (j.control ->> 'number')::bigint, j.phase INTO request, reached;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no job %', job USING ERRCODE = 'no_data_found', HINT = 'SELECT * FROM pgeist.status';
    END IF;
    IF action IN ('cancel', 'pause') AND reached IN ('finish', 'done') THEN
        RAISE EXCEPTION 'job % has swapped the tables already: it cannot be %', job,
                CASE action WHEN 'pause' THEN 'paused' ELSE 'cancelled' END
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'it only finishes its work now';
    END IF;
    IF NOT (SELECT s.alive FROM pgeist.status s WHERE s.job = leader) THEN
        RAISE EXCEPTION 'nobody runs job %', job USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('go on with it: pgeist resume %s, or remove it: pgeist cleanup %s', job, job);
    END IF;
    INSERT INTO pgeist.events (job, event, detail)
    VALUES (leader, action, session_user || coalesce(': ' || name || ' = ' || value, ''));
    PERFORM pg_notify('pgeist', format('%s %s', leader, action));
    RETURN request;
END $steer$;
