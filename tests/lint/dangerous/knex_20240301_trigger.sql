-- finds: disabling-trigger warning
alter table "orders" disable trigger all;
