ALTER TYPE event_kind ADD VALUE IF NOT EXISTS 'archived' AFTER 'closed';
