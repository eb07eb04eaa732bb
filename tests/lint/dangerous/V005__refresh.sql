-- finds: refresh-without-concurrently error
REFRESH MATERIALIZED VIEW account_totals;
