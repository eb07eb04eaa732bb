"""How much longer the swap holds its lock in a database of many tables.

What is read under the lock is read from the catalogs: by their indexes that is as much in a small database as in one of
fifteen thousand tables. Swaps without a load; before the tables are made, and after.
"""

from __future__ import annotations

from bench_server import note
from goals.frame import Context, Finding, median, spread
from goals.revert import one_swap

NAME = "catalog"
GOAL = 1.5
SWAPS = 10
TABLES = 15_000
AT_ONCE = 500  # each needs a lock until its transaction ends

MAKE = """DO $$ BEGIN FOR i IN {first}..{last} LOOP
    EXECUTE format('CREATE TABLE other_%s (id int PRIMARY KEY, n int CHECK (n > 0), note text DEFAULT ''x'')', i);
END LOOP; END $$"""


def swaps(context: Context, database: str) -> list[float]:
    held = [one_swap(context, database, number) for number in range(2 if context.smoke else SWAPS)]
    note(f"{NAME}: {spread(held, '{:.1f}')} ms")
    return held


def measure(context: Context) -> list[Finding]:
    database = context.fresh(rows=min(context.rows, 20_000))
    few = swaps(context, database)
    tables = AT_ONCE if context.smoke else TABLES
    for first in range(1, tables + 1, AT_ONCE):
        context.server.sql(database, MAKE.format(first=first, last=first + AT_ONCE - 1))
    context.server.sql(database, "VACUUM ANALYZE pg_catalog.pg_class", "VACUUM ANALYZE pg_catalog.pg_type",
                       "VACUUM ANALYZE pg_catalog.pg_depend", "VACUUM ANALYZE pg_catalog.pg_constraint",
                       "VACUUM ANALYZE pg_catalog.pg_attribute", "VACUUM ANALYZE pg_catalog.pg_index")
    many = swaps(context, database)
    ratio = median(many) / median(few)
    return [Finding(
        what=f"lock held in the swap with {tables:,} tables in the database, against one",
        goal=f"≤ {GOAL} ×",
        ratio=ratio / GOAL,
        met=ratio <= GOAL,
        measured=f"{ratio:.2f} × ({spread(few, '{:.1f}')} and {spread(many, '{:.1f}')} ms)",
        how=f"{len(few)} swaps each, 4 indexes, no load; medians",
        figures={"few_ms": few, "many_ms": many},
    )]
