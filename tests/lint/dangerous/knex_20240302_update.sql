-- finds: unbatched-write warning
update "orders" set "state" = 'new' where "state" is null;
