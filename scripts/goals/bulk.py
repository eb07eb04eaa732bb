"""What capture costs one big UPDATE: three rows in ten of the table, 300,000 of a million, in one statement.

With and without pgeist's triggers, in one fresh copy a round, on two ranges of the same size. Which range is whose, and
who comes first, changes from round to round.
"""

from __future__ import annotations

from bench_server import PSQL, Measured, note
from goals.frame import Context, Finding, median, spread
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
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    for number in range(context.rounds):
        database = context.fresh()
        order = ["without", "with"] if number % 2 == 0 else ["with", "without"]
        for place, name in enumerate(order):
            # Two rounds on one range each, then two on the other: neither order nor range is anybody's own.
            first = count * ((place + number // 2) % 2)
            work = captured if name == "with" else update
            seconds[name].append(work(context, database, first, count))
            note(f"bulk: {name:7} {seconds[name][-1]:.2f} s")
    ratio = median(seconds["with"]) / median(seconds["without"])
    return [Finding(
        what="bulk update of three rows in ten with / without capture",
        goal=f"≤ {GOAL}",
        ratio=ratio,
        met=ratio <= GOAL,
        measured=f"{ratio:.2f}: {spread(seconds['with'], '{:.2f}')} against {spread(seconds['without'], '{:.2f}')} s",
        how=f"one UPDATE of {count:,} rows, a range of keys; ranges and order rotated",
        figures=seconds,
    )]
