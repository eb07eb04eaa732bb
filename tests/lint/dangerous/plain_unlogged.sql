-- finds: table-rewrite error
ALTER TABLE messages SET UNLOGGED;
