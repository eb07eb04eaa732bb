-- finds: renaming-column warning
ALTER TABLE accounts RENAME COLUMN mail TO email;
