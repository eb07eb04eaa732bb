-- finds: enum-value-used-in-transaction error
ALTER TYPE event_kind ADD VALUE 'archived';
UPDATE events SET kind = 'archived' WHERE id = 7;
