"""How long the swap of several tables holds its locks, with a thousand changes to replay under them.

Five tables with three indexes each, and six foreign keys among them, whose keys go from int to bigint and back. As in
goals/swap.py a transaction with changes of all of them commits when pgeist's request stands in line behind it.
"""

from __future__ import annotations

import time

from bench_server import Session, moment, note
from goals.frame import Context, Finding, median, spread
from goals.online import begin_postponed, end_capture
from goals.swap import GIVEN_BACK, wait_for_request

NAME = "group"
GOAL = 40.0
SWAPS = 10
KEYS = 1000
OPTIONS = ("--lock-timeout", "10s", "--verify", "off", "--drop-old")

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
    """Milliseconds, as one_swap() of goals/swap.py."""
    run, postpone = begin_postponed(context, database, *OPTIONS, change=change(kind))
    with run, Session(context.server, database) as writer:
        writer.query("BEGIN")
        for table in TABLES:
            writer.query(f"UPDATE {table} SET note = 'swap {number}' "
                         f"WHERE id IN (SELECT id FROM {table} ORDER BY hashint8(id) LIMIT {KEYS // len(TABLES)})")
        postpone.unlink()
        wait_for_request(context.server, database)
        committed = time.time()
        writer.query("COMMIT")
        done = run.wait_for(lambda event: event["event"] == "swap", "the end of the swap")
        run.finish(expected=(0,))
    later = [event for event in run.events if moment(event) > committed]
    given_back = [float(found[1]) for event in later if (found := GIVEN_BACK.search(event.get("message", "")))]
    for table in TABLES:
        context.require(database, str(KEYS // len(TABLES)), f"SELECT count(*) FROM {table} WHERE note = 'swap {number}'")
    end_capture(context, database)
    return max([done["lock_held_ms"], *given_back])


def measure(context: Context) -> list[Finding]:
    database = context.fresh()
    make_tables(context, database, max(1000, min(context.rows, 100_000)))
    held: list[float] = []
    for number in range(2 if context.smoke else max(SWAPS, context.rounds)):
        held.append(one_swap(context, database, "bigint" if number % 2 == 0 else "int", number))
        note(f"group: {held[-1]:.1f} ms")
    return [Finding(
        what=f"locks held in the swap of 5 tables, 3 indexes each, 6 foreign keys, backlog of {KEYS:,} keys",
        goal=f"≤ {GOAL:.0f} ms",
        ratio=median(held) / GOAL,
        met=median(held) <= GOAL,
        measured=f"{spread(held, '{:.1f}')} ms",
        how=f"{len(held)} swaps, each behind a transaction with {KEYS:,} updates that commits when the lock is asked for",
        figures={"lock_held_ms": held},
    )]
