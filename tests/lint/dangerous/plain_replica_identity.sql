-- finds: removing-replica-identity warning
ALTER TABLE messages REPLICA IDENTITY NOTHING;
