create sequence "order_numbers" start 1000;
alter sequence "order_numbers" owned by none;
