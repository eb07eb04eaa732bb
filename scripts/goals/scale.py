"""Whether a row of a big table takes longer than one of a small table.

`pgeist run --verify off` of a table and of one twenty times its size, in turn, each on a fresh copy: seconds per row.
"""

from __future__ import annotations

from bench_server import note
from goals.frame import Context, Finding, compared
from goals.online import Online

NAME = "scale"
GOAL = 1.15
TIMES = 20


def microseconds_per_row(context: Context, rows: int) -> float:
    database = context.fresh(rows)
    with Online(context, database, "--verify", "off", "--drop-old") as run:
        run.finish(expected=(0,))
    context.require_key_type(database, "bigint")
    context.require(database, f"{rows}|{rows * (rows + 1) // 2}", "SELECT count(*), sum(id) FROM orders")
    return 1e6 * run.seconds / rows


def measure(context: Context) -> list[Finding]:
    sizes = {"small": context.rows, "large": TIMES * context.rows}

    def one(_: int, name: str) -> float:
        took = microseconds_per_row(context, sizes[name])
        note(f"scale: {sizes[name]:,} rows: {took:.2f} µs a row")
        return took

    return [compared(f"time per row of a table of {TIMES} times as many rows / of the table", context.in_turn(sizes, one),
                     "large", "small", GOAL, "µs", "{:.2f}",
                     f"whole `pgeist run --verify off`, {sizes['large']:,} and {sizes['small']:,} rows")]
