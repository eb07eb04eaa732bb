"""What capture costs one big UPDATE: three rows in ten of the table, 300,000 of a million, in one statement.

With and without pgeist's triggers, each in a fresh copy, on two ranges of the same size. Which range is whose, and
who comes first, changes from round to round.
"""

from __future__ import annotations

from bench_server import PSQL, Measured, note
from goals.frame import Context, Finding, compared
from goals.online import begin_capture, end_capture

NAME = "bulk"
GOAL = 1.25


def update(context: Context, database: str, first: int, count: int) -> float:
    """Seconds that it takes to update rows first + 1 to first + count."""
    context.server.sql(database, "CHECKPOINT")
    took = Measured([*PSQL, context.server.uri(database), "-c",
                     f"UPDATE orders SET amount = amount + 1 WHERE id > {first} AND id <= {first + count}"]).seconds
    # All of them, and by this one transaction.
    context.require(database, f"{count}|1", "SELECT count(*), count(DISTINCT xmin::text) FROM orders "
                                            f"WHERE id > {first} AND id <= {first + count}")
    return took


def captured(context: Context, database: str, first: int, count: int) -> float:
    begin_capture(context, database)
    took = update(context, database, first, count)
    context.require(database, f"{count}|{first + 1}|{first + count}",
                    "SELECT count(*), min(k1), max(k1) FROM pgeist_1.pgeist_log")
    end_capture(context, database)
    return took


def measure(context: Context) -> list[Finding]:
    count = context.part(0.3)

    def one(number: int, name: str) -> float:
        # Two rounds on one range each, then two on the other: neither order nor range is anybody's own.
        database = context.fresh()
        first = count * ((number + number // 2 + (name == "with")) % 2)
        seconds = (captured if name == "with" else update)(context, database, first, count)
        note(f"bulk: {name:7} {seconds:.2f} s")
        return seconds

    return [compared("bulk update of three rows in ten with / without capture", context.in_turn(["without", "with"], one),
                     "with", "without", GOAL, "s", "{:.2f}",
                     f"one UPDATE of {count:,} rows, a range of keys; ranges and order rotated")]
