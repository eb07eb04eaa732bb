alter table "orders" add column "reference" varchar(255) null, add column "priority" integer default '0';
