-- Takes orders.up.sql back.
DROP INDEX public.orders_customer;
ALTER TABLE public.orders DROP CONSTRAINT orders_customer_check;
ALTER TABLE public.orders ALTER COLUMN id TYPE integer, DROP COLUMN placed_at;
