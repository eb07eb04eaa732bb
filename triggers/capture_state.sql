-- @state@ of all triggers: ENABLE ALWAYS, so that writes under session_replication_role = replica are captured too, or DISABLE.
ALTER TABLE @table@
    @state@ TRIGGER @prefix@_insert, @state@ TRIGGER @prefix@_update, @state@ TRIGGER @prefix@_delete,
    @state@ TRIGGER @prefix@_key_change, @state@ TRIGGER @prefix@_truncate
