create table "refunds" ("id" serial primary key, "order_id" integer not null);
alter table "refunds" add constraint "refunds_order_id_unique" unique ("order_id");
create index "refunds_order_id_index" on "refunds" ("order_id");
