-- finds: renaming-table warning
ALTER TABLE accounts RENAME TO members;
