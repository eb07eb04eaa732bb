"""Whether a row of a big table takes longer than one of a small table.

`pgeist run --verify off` of a table and of one twenty times its size, in turn, each on a fresh copy: seconds per row.
"""

from __future__ import annotations

from bench_server import note
from goals.frame import Context, Finding, median, spread
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
    took: dict[str, list[float]] = {name: [] for name in sizes}
    for _, name in context.turns(list(sizes)):
        took[name].append(microseconds_per_row(context, sizes[name]))
        note(f"scale: {sizes[name]:,} rows: {took[name][-1]:.2f} µs a row")
    ratio = median(took["large"]) / median(took["small"])
    return [Finding(
        what=f"time per row of a table of {TIMES} times as many rows / of the table",
        goal=f"≤ {GOAL}",
        ratio=ratio,
        met=ratio <= GOAL,
        measured=f"{ratio:.2f}: {spread(took['large'], '{:.2f}')} against {spread(took['small'], '{:.2f}')} µs",
        how=f"whole `pgeist run --verify off`, {sizes['large']:,} and {sizes['small']:,} rows",
        figures=took,
    )]
