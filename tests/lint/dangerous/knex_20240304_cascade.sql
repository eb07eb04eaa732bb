-- finds: dropping-cascade warning
drop view "order_totals" cascade;
