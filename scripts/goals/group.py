"""How long the swap of several tables holds its locks, with a thousand changes to replay under them.

Five tables with three indexes each, and six foreign keys among them, whose keys go from int to bigint and back. As in
goals/swap.py a transaction with changes of all of them commits when pgeist's request stands in line behind it.
"""

from __future__ import annotations

from bench_server import Session
from goals.frame import Context, Finding
from goals.online import begin_postponed, end_capture
from goals.swap import KEYS, OPTIONS, swap_behind, there_and_back

NAME = "group"
GOAL = 40.0

# Each with the tables that it refers to.
TABLES = {
    "orders": ("customers",),
    "customers": (),
    "products": ("customers",),
    "lines": ("orders", "products"),
    "refunds": ("orders", "lines"),
}


def make_tables(context: Context, database: str, rows: int) -> None:
    with Session(context.server, database) as session:
        session.query("DROP TABLE orders")
        for table, others in TABLES.items():
            references = "".join(f", {other}_id int NOT NULL" for other in others)
            session.query(f"CREATE TABLE {table} (id int PRIMARY KEY{references}, code int NOT NULL, note text)")
            values = ", i" * len(others)
            session.query(f"INSERT INTO {table} SELECT i{values}, i, 'note ' || i FROM generate_series(1, {rows}) AS i")
            session.query(f"CREATE INDEX ON {table} (code)")
            session.query(f"CREATE INDEX ON {table} (note)")
        for table, others in TABLES.items():
            for other in others:
                session.query(f"ALTER TABLE {table} ADD FOREIGN KEY ({other}_id) REFERENCES {other}")
        session.query("VACUUM ANALYZE")


def change(kind: str) -> tuple[str, ...]:
    """Of all tables; `--table orders` stands before it already."""
    words: list[str] = []
    for table, others in TABLES.items():
        columns = ["id", *(f"{other}_id" for other in others)]
        words += [] if table == "orders" else ["--table", table]
        words += ["--alter", ", ".join(f"ALTER COLUMN {column} TYPE {kind}" for column in columns)]
    return tuple(words)


def one_swap(context: Context, database: str, kind: str, number: int) -> float:
    each = KEYS // len(TABLES)
    begun = begin_postponed(context, database, *OPTIONS, change=change(kind))
    held, _ = swap_behind(context, database, begun, [
        f"UPDATE {table} SET note = 'swap {number}' WHERE id IN (SELECT id FROM {table} ORDER BY hashint8(id) LIMIT {each})"
        for table in TABLES])
    for table in TABLES:
        context.require(database, str(each), f"SELECT count(*) FROM {table} WHERE note = 'swap {number}'")
    end_capture(context, database)
    return held


def measure(context: Context) -> list[Finding]:
    database = context.fresh()
    make_tables(context, database, max(1000, min(context.rows, 100_000)))
    what = f"locks held in the swap of 5 tables, 3 indexes each, 6 foreign keys, backlog of {KEYS:,} keys"
    return there_and_back(context, NAME, what, GOAL, lambda kind, number: one_swap(context, database, kind, number))
