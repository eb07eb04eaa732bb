-- finds: ban-drop-table warning
drop table "old_orders";
