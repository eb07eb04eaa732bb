-- finds: removing-replica-identity warning
alter table "orders" drop constraint "orders_pkey";
