-- finds: require-concurrent-index-deletion warning
drop index "orders_state_index";
