-- A larger number for orders, and when they were placed. pgeist does each part by the cheapest way on which nobody waits.
ALTER TABLE public.orders ALTER COLUMN id TYPE bigint, ADD COLUMN placed_at timestamptz;
ALTER TABLE public.orders ADD CONSTRAINT orders_customer_check CHECK (customer >= 0);
CREATE INDEX orders_customer ON public.orders (customer);
COMMENT ON COLUMN public.orders.placed_at IS 'when the customer said yes; unknown before 2026';
